#include "bench/net/client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "bench/net/server_meter.h"

namespace leat::bench {

void Load::run_for(double seconds) {
  const std::uint64_t end = now_ns() + static_cast<std::uint64_t>(seconds * 1e9);
  while (now_ns() < end) serve(100);
}

void Load::finish() {
  stopping_ = true;
  while (outstanding_ > 0) {
    if (serve(10'000)) continue;
    errno = ETIMEDOUT;
    fail("waiting for an echo");
  }
}

std::unique_ptr<Load> make_load(const ClientOptions& options, const Target& target) {
  if (options.mode == "churn") return make_churn(options, target);
  if (options.mode == "udp") return make_udp(options, target);
  if (options.depth > 0) return make_http(options, target);
  return make_echo(options, target);
}

std::uint64_t now_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(time.tv_nsec);
}

int connect_to(std::uint16_t port, unsigned source) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (source != 0) {
    // The port is chosen by connect(), which knows the peer and so has more ports to choose from.
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    address.sin_addr.s_addr = htonl((INADDR_LOOPBACK & 0xffffff00u) | source);
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("bind");
  }
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ||
      errno == EINPROGRESS) {
    return fd;
  }
  fail("connect");
}

void reset_on_close(int fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

std::span<const epoll_event> wait(int epoll, Events& events, int milliseconds) {
  const int count =
      ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), milliseconds);
  if (count < 0 && errno != EINTR) fail("epoll_wait");
  return std::span(events).first(count < 0 ? 0 : static_cast<std::size_t>(count));
}

void watch(int epoll, int operation, int fd, std::uint32_t events, std::uint64_t data) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  if (::epoll_ctl(epoll, operation, fd, &event) != 0) fail("epoll_ctl");
}

void fail(const char* what) {
  std::fprintf(stderr, "bench_client: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

namespace {

constexpr const char* kUsage =
    "bench_client echo|http|churn|udp|count|idle --target PORT:PID... [--rounds N] [--turn "
    "SECONDS]\n"
    "             [--connections N] [--size BYTES] [--depth REQUESTS] [--close rst|fin]\n"
    "             [--messages N] [--sink on] [--offload on]\n";

/// False if an option is not known.
bool read_option(ClientOptions& options, const std::string& name, const char* value) {
  if (name == "--target") {
    char* rest = nullptr;
    const auto port = static_cast<std::uint16_t>(std::strtoul(value, &rest, 10));
    options.targets.push_back({.port = port, .server = *rest == ':' ? std::atoi(rest + 1) : 0});
  } else if (name == "--rounds") {
    options.rounds = std::strtoul(value, nullptr, 10);
  } else if (name == "--turn") {
    options.turn = std::strtod(value, nullptr);
  } else if (name == "--connections") {
    options.connections = std::strtoul(value, nullptr, 10);
  } else if (name == "--size") {
    options.size = std::strtoul(value, nullptr, 10);
  } else if (name == "--depth") {
    options.depth = std::strtoul(value, nullptr, 10);
  } else if (name == "--offload") {
    options.gso = std::strcmp(value, "on") == 0;
  } else if (name == "--sink") {
    options.sink = std::strcmp(value, "on") == 0;
  } else if (name == "--messages") {
    options.messages = std::strtoul(value, nullptr, 10);
  } else if (name == "--close") {
    options.reset = std::strcmp(value, "fin") != 0;
  } else {
    return false;
  }
  return true;
}

void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

struct Contest {
  std::unique_ptr<Load> load;
  std::unique_ptr<ServerMeter> meter;
};

/// One line of JSON: which target, what it did, what it used.
void take_turn(std::size_t index, Contest& contest, double seconds) {
  Load& load = *contest.load;
  load.begin();
  load.run_for(seconds / 10);
  load.record(true);
  const std::uint64_t done = load.latencies().count();
  const ServerUse before = contest.meter->read();
  const std::uint64_t start = now_ns();
  load.run_for(seconds);
  const std::uint64_t elapsed = now_ns() - start;
  const ServerUse after = contest.meter->read();
  load.record(false);
  load.finish();
  std::printf("{\"target\": %zu, \"requests\": %llu, \"seconds\": %.6f, \"server\": %s}\n", index,
              static_cast<unsigned long long>(load.latencies().count() - done),
              static_cast<double>(elapsed) / 1e9, difference_as_json(before, after).c_str());
}

/// One line of JSON: the latencies of all turns.
void sum_up(std::size_t index, const Load& load) {
  const Histogram& latencies = load.latencies();
  std::printf("{\"target\": %zu, \"failed\": %llu, \"p50_ns\": %llu, \"p99_ns\": %llu}\n", index,
              static_cast<unsigned long long>(load.failed()),
              static_cast<unsigned long long>(latencies.percentile(0.5)),
              static_cast<unsigned long long>(latencies.percentile(0.99)));
}

/// As many messages, or batches of requests, as asked for on each connection, and nothing measured:
/// for instruction counts.
int run_count(const ClientOptions& options) {
  const std::unique_ptr<Load> load = make_load(options, options.targets.front());
  for (std::size_t i = 0; i < options.messages; ++i) {
    load->begin();
    load->finish();
  }
  return 0;
}

int run_rounds(const ClientOptions& options) {
  std::vector<Contest> contests;
  for (const Target& target : options.targets) {
    contests.push_back({.load = make_load(options, target),
                        .meter = std::make_unique<ServerMeter>(target.server)});
  }
  for (Contest& contest : contests) {
    contest.load->begin();
    contest.load->run_for(options.turn);
    contest.load->finish();
  }
  for (std::size_t round = 0; round < options.rounds; ++round) {
    // Every other round backwards, so that no server always follows the same one.
    for (std::size_t i = 0; i < contests.size(); ++i) {
      const std::size_t place = (i + round / 2) % contests.size();
      const std::size_t index = round % 2 == 0 ? place : contests.size() - 1 - place;
      take_turn(index, contests[index], options.turn);
    }
  }
  for (std::size_t i = 0; i < contests.size(); ++i) sum_up(i, *contests[i].load);
  return 0;
}

int run(int count, char** arguments) {
  ClientOptions options;
  if (count > 1) options.mode = arguments[1];
  bool understood = count % 2 == 0;
  for (int i = 2; understood && i + 1 < count; i += 2) {
    understood = read_option(options, arguments[i], arguments[i + 1]);
  }
  raise_descriptor_limit();
  if (understood && !options.targets.empty() && options.connections > 0 && options.size > 0) {
    if (options.mode == "http" && options.depth == 0) options.depth = 1;
    for (const char* mode : {"echo", "http", "churn", "udp"}) {
      if (options.mode == mode) return run_rounds(options);
    }
    if (options.mode == "count") return run_count(options);
    if (options.mode == "idle") return run_idle(options);
  }
  std::fputs(kUsage, stderr);
  return 2;
}

}  // namespace
}  // namespace leat::bench

int main(int count, char** arguments) {
  try {
    return leat::bench::run(count, arguments);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_client: %s\n", e.what());
    return 1;
  }
}
