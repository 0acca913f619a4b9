#include "clients.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdlib>
#include <thread>
#include <vector>

#include <fmt/core.h>

#include "leat/base/monotonic_time.h"
#include "leat/base/unique_fd.h"

namespace leat::bench {

namespace {

UniqueFd connect_to(const InetAddress& server) {
  UniqueFd socket(::socket(server.domain(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // Ports are not to wait for stragglers: there are only so many.
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  if (::connect(socket.get(), server.get(), server.size()) != 0) {
    fmt::print(stderr, "connecting failed\n");
    std::exit(1);
  }
  return socket;
}

void ask(int socket, char what) {
  char answer;
  if (::send(socket, &what, 1, MSG_NOSIGNAL) != 1 || ::recv(socket, &answer, 1, 0) != 1) {
    fmt::print(stderr, "a request failed\n");
    std::exit(1);
  }
}

void run_thread(const InetAddress& server, const Load& load, int thread, Histogram& latencies) {
  std::vector<UniqueFd> sockets;
  for (int i = 0; i < load.connections; ++i) sockets.push_back(connect_to(server));
  for (int i = 0; i < load.requests; ++i) {
    const MonotonicTime begun = monotonic_now();
    if (sockets.empty()) {
      const UniqueFd socket = connect_to(server);
      ask(socket.get(), kLight);
    } else {
      const auto chosen = static_cast<std::size_t>(i) % sockets.size();
      const int number = thread * load.connections + static_cast<int>(chosen);
      const bool heavy = load.heavy_of != 0 && number % load.heavy_of == 0;
      ask(sockets[chosen].get(), heavy ? kHeavy : kLight);
    }
    latencies.record(static_cast<std::uint64_t>((monotonic_now() - begun).count()));
  }
}

}  // namespace

Histogram run_load(const InetAddress& server, const Load& load) {
  std::vector<Histogram> latencies(static_cast<std::size_t>(load.threads));
  std::vector<std::thread> threads;
  for (int i = 0; i < load.threads; ++i) {
    threads.emplace_back(
        [&, i] { run_thread(server, load, i, latencies[static_cast<std::size_t>(i)]); });
  }
  for (std::thread& thread : threads) thread.join();
  Histogram all;
  for (const Histogram& one : latencies) all.merge(one);
  return all;
}

}  // namespace leat::bench
