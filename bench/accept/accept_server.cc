// bench_accept MODEL LOOPS: an echo server whose loops come to their connections by one of four
// ways. "counters" on standard input is answered with what each loop has accepted so far.

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "leat/base/cpu_set.h"
#include "leat/net/inet_address.h"
#include "leat/net/internal/connection_profile.h"
#include "leat/net/internal/server_loop.h"
#include "leat/net/internal/socket_ops.h"
#include "leat/net/receive_buffer.h"
#include "leat/net/tcp_connection.h"
#include "leat/net/tcp_server.h"
#include "leat/reactor/channel.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/event_loop_thread_pool.h"

#include "bench/net/server.h"

namespace {

using leat::NetCounters;

void echo(const leat::TcpConnectionPtr& connection, leat::ReceiveBuffer& input, leat::Timestamp) {
  static_cast<void>(connection->send(input.view()));
  input.consume_all();
}

/// What every model has.
class Model {
 public:
  Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  virtual ~Model() = default;
  virtual leat::Result<unsigned> start() = 0;  ///< The port.
  /// Of the loops that serve.
  [[nodiscard]] virtual std::vector<const NetCounters*> counters() const = 0;
  /// Of the loop that only accepts; null if there is none.
  [[nodiscard]] virtual const NetCounters* acceptor() const { return nullptr; }
};

/// The models that leat::TcpServer offers.
class ServerModel final : public Model {
 public:
  ServerModel(leat::EventLoop& base, std::size_t loops, leat::Balance balance)
      : server_(base, {.loops = loops,
                       .cpus = leat::CpuSet::available().value(),
                       .balance = balance,
                       .backlog = leat::bench::kBacklog}),
        single_(balance == leat::Balance::kRoundRobin) {
    server_.on_message(echo);
  }

  leat::Result<unsigned> start() override {
    leat::Result<void> ready = server_.listen(leat::InetAddress::parse("127.0.0.1:0").value());
    if (ready) ready = server_.start();
    if (!ready) return std::move(ready).error();
    return unsigned{server_.addresses().front().port()};
  }

  [[nodiscard]] std::vector<const NetCounters*> counters() const override {
    return server_.counters();
  }
  [[nodiscard]] const NetCounters* acceptor() const override {
    return single_ ? &server_.base_counters() : nullptr;
  }

 private:
  leat::TcpServer server_;
  const bool single_;
};

/// One listener watched by all loops without EPOLLEXCLUSIVE, which leat::TcpServer does not offer:
/// the same parts as Balance::kShared, put together without that flag.
class HerdModel final : public Model {
 public:
  HerdModel(leat::EventLoop& base, std::size_t loops)
      : pool_(base,
              {.name = "server",
               .count = loops,
               .cpus = leat::EventLoopThreadPool::one_cpu_each(leat::CpuSet::available().value())}),
        profile_(std::make_shared<leat::internal::ConnectionProfile>()) {
    profile_->callbacks.on_message = echo;
  }

  leat::Result<unsigned> start() override {
    leat::Result<leat::UniqueFd> listener = leat::internal::open_listener(
        leat::InetAddress::parse("127.0.0.1:0").value(), {.backlog = leat::bench::kBacklog});
    if (!listener) return std::move(listener).error();
    leat::Result<void> started = pool_.start();
    if (!started) return std::move(started).error();
    for (leat::EventLoop* loop : pool_.loops()) {
      auto share = std::make_shared<leat::internal::ServerLoop>(*loop, shares_.size(),
                                                                leat::TcpServerOptions{}, profile_);
      leat::UniqueFd copy(::fcntl(listener->get(), F_DUPFD_CLOEXEC, 0));
      loop->queue_in_loop([share, copy = std::move(copy)]() mutable {
        share->attach([] {});
        const bool exclusive = false;
        share->accept_from(std::move(copy), exclusive).value();
      });
      shares_.push_back(std::move(share));
    }
    leat::Result<leat::InetAddress> address = leat::InetAddress::local_of(listener->get());
    if (!address) return std::move(address).error();
    return unsigned{address->port()};
  }

  [[nodiscard]] std::vector<const NetCounters*> counters() const override {
    std::vector<const NetCounters*> all;
    for (const auto& share : shares_) all.push_back(&share->net_counters());
    return all;
  }

 private:
  leat::EventLoopThreadPool pool_;
  std::shared_ptr<leat::internal::ConnectionProfile> profile_;
  std::vector<std::shared_ptr<leat::internal::ServerLoop>> shares_;
};

std::unique_ptr<Model> make_model(std::string_view name, leat::EventLoop& base, std::size_t loops) {
  using leat::Balance;
  if (name == "single") return std::make_unique<ServerModel>(base, loops, Balance::kRoundRobin);
  if (name == "exclusive") return std::make_unique<ServerModel>(base, loops, Balance::kShared);
  if (name == "per_loop") return std::make_unique<ServerModel>(base, loops, Balance::kKernelHash);
  if (name == "herd") return std::make_unique<HerdModel>(base, loops);
  return nullptr;
}

void print(const NetCounters& counters, const char* before) {
  std::printf("%s{\"accepted\": %llu, \"wake_ups\": %llu, \"empty\": %llu}", before,
              static_cast<unsigned long long>(counters.accepted.load()),
              static_cast<unsigned long long>(counters.accept_wake_ups.load()),
              static_cast<unsigned long long>(counters.accept_empty.load()));
}

/// One line of JSON.
void report(const Model& model) {
  std::printf("{\"loops\": [");
  const char* before = "";
  for (const NetCounters* counters : model.counters()) {
    print(*counters, before);
    before = ", ";
  }
  std::printf("]");
  if (model.acceptor() != nullptr) print(*model.acceptor(), ", \"acceptor\": ");
  std::printf("}\n");
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  auto loop = leat::EventLoop::create().value();
  const int loops = count == 3 ? std::atoi(arguments[2]) : 0;
  const std::unique_ptr<Model> model =
      loops > 0 ? make_model(arguments[1], *loop, static_cast<std::size_t>(loops)) : nullptr;
  if (!model) {
    std::fputs("bench_accept single|exclusive|herd|per_loop LOOPS\n", stderr);
    return 2;
  }
  const leat::Result<unsigned> port = model->start();
  if (!port) {
    std::fprintf(stderr, "bench_accept: %s\n", port.error().message().c_str());
    return 1;
  }
  leat::Channel input(*loop, STDIN_FILENO);
  input.on_read([&](leat::Timestamp) {
    std::array<char, 64> line;
    if (::read(STDIN_FILENO, line.data(), line.size()) <= 0) {
      loop->quit();
    } else {
      report(*model);
    }
  });
  if (!input.enable_reading()) return 1;
  leat::bench::announce(*port, "leat", LEAT_BENCH_VERSION);
  return loop->loop() ? 0 : 1;
}
