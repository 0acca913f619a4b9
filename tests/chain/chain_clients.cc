#include "chain/chain_clients.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace leat::testing {
namespace {

constexpr int kLargeOf = 8;  // one request of so many on long connections

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::uint16_t own_port(const UniqueFd& socket) {
  sockaddr_in own{};
  socklen_t size = sizeof own;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&own), &size);
  return ntohs(own.sin_port);
}

}  // namespace

ChainClients::ChainClients(const InetAddress& server, const ChainLoad& load, const CpuSet& cpus,
                           std::function<void()> done)
    : server_(server),
      load_(load),
      cpus_(cpus.begin(), cpus.end()),
      done_(std::move(done)),
      running_(load.threads) {
  for (int i = 0; i < load.threads; ++i) threads_.emplace_back([this, i] { run(i); });
}

ChainClients::~ChainClients() {
  for (std::thread& thread : threads_) thread.join();
}

void ChainClients::run(int thread) {
  Random random(load_.seed * 1000 + static_cast<std::uint64_t>(thread));
  try {
    work(random);
  } catch (const std::exception& error) {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = error.what();
  }
  if (running_.fetch_sub(1) == 1) done_();
}

void ChainClients::work(Random& random) {
  std::vector<UniqueFd> kept;
  for (int i = 0; i < load_.long_connections; ++i) {
    kept.push_back(connect(random));
    const std::lock_guard lock(mutex_);
    long_ports_.push_back(own_port(kept.back()));
  }
  for (int i = 0; i < load_.short_connections; ++i) {
    const UniqueFd socket = connect(random);
    ask(socket, kSmallAnswer, random);
    if (!kept.empty()) {
      const auto chosen = static_cast<std::size_t>(i) % kept.size();
      ask(kept[chosen], i % kLargeOf == 0 ? kLargeAnswer : kSmallAnswer, random);
    }
    move(random);
  }
}

void ChainClients::move(Random& random) const {
  const int cpu = cpus_[random.uniform(0, cpus_.size() - 1)];
  if (const auto moved = CpuSet::of(cpu).pin_current_thread(); !moved) {
    throw std::runtime_error(moved.error().message());
  }
}

UniqueFd ChainClients::connect(Random& random) {
  move(random);
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(socket.get(), server_.get(), server_.size()) != 0) fail("connecting");
  return socket;
}

void ChainClients::ask(const UniqueFd& socket, char what, Random& random) {
  move(random);
  std::array<char, kRequestSize> request{what};
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) != kRequestSize) {
    fail("a request");
  }
  std::size_t missing = what == kLargeAnswer ? kLargeAnswerSize : kRequestSize;
  std::array<char, 16'384> bytes;
  while (missing > 0) {
    const ssize_t read = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
    if (read < 0) fail("an answer");
    if (read == 0) throw std::runtime_error("the server closed a connection");
    missing -= static_cast<std::size_t>(read);
  }
}

}  // namespace leat::testing
