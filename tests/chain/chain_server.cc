#include "chain/chain_server.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <latch>
#include <memory>

#include "chain/chain_clients.h"

namespace leat::testing {

ChainServer::ChainServer(EventLoop& base, const CpuSet& cpus, const Pieces& pieces)
    : cpus_(cpus.begin(), cpus.end()),
      pieces_(pieces),
      large_(kLargeAnswerSize, 'x'),
      small_(kRequestSize, 'x'),
      accepted_(cpus_.size()),
      pool_(base, {.name = "chain",
                   .count = cpus_.size(),
                   .cpus = EventLoopThreadPool::one_cpu_each(cpus),
                   .poller = pieces.poller}),
      server_(
          std::make_unique<TcpServer>(base, pool_, TcpServerOptions{.balance = pieces.balance})) {
  server_->on_connection([this](const TcpConnectionPtr& connection) { note(*connection); });
  server_->on_message([this](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
    answer(connection, input);
  });
}

Result<InetAddress> ChainServer::start(const char* address) {
  if (auto started = pool_.start(); !started) return started.error();
  InetAddress any = InetAddress::parse(std::string(address) + ":0").value();
  if (auto listening = server_->listen(any); !listening) return listening.error();
  if (auto started = server_->start(); !started) return started.error();
  const ListenerBalance used = server_->balances().front();
  if (used.balance != pieces_.balance) return Error::from_errno(EOPNOTSUPP, used.reason);
  if (!pieces_.pinned) let_go();
  return server_->addresses().front();
}

std::vector<AcceptedConnection> ChainServer::stop() {
  server_.reset();
  pool_.stop();
  std::vector<AcceptedConnection> all;
  for (const Accepted& of_loop : accepted_) {
    all.insert(all.end(), of_loop.connections.begin(), of_loop.connections.end());
  }
  return all;
}

void ChainServer::note(const TcpConnection& connection) {
  const auto& loops = pool_.loops();
  const auto index =
      static_cast<std::size_t>(std::ranges::find(loops, &connection.loop()) - loops.begin());
  accepted_[index].connections.push_back({.client_port = connection.peer().port(),
                                          .home = cpus_[index],
                                          .accept_cpu = ::sched_getcpu()});
}

void ChainServer::answer(const TcpConnectionPtr& connection, ReceiveBuffer& input) const {
  while (input.size() >= kRequestSize) {
    const bool large = input.view().front() == kLargeAnswer;
    input.consume(kRequestSize);
    // What fails ends the connection, which its client will notice.
    (void)connection->send(large ? large_ : small_);
  }
}

/// The policy was verified with the loops where they should be; from now on they float.
void ChainServer::let_go() const {
  CpuSet all;
  for (const int cpu : cpus_) all.add(cpu);
  std::latch done(static_cast<std::ptrdiff_t>(cpus_.size()));
  for (EventLoop* loop : pool_.loops()) {
    loop->queue_in_loop([&] {
      (void)all.pin_current_thread();
      done.count_down();
    });
  }
  done.wait();
}

}  // namespace leat::testing
