// Idle connections: each has been used once, and then rests.

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <vector>

#include "bench/net/client.h"

namespace leat::bench {

namespace {

/// So many at once stay below every accept queue.
constexpr std::size_t kBatch = 500;

void exchange(int epoll, Events& events, const std::vector<int>& batch,
              std::vector<char>& message) {
  for (const int fd : batch) watch(epoll, EPOLL_CTL_ADD, fd, EPOLLOUT, static_cast<unsigned>(fd));
  std::size_t open = batch.size();
  std::vector<std::size_t> missing;
  while (open > 0) {
    const auto ready = wait(epoll, events, 10'000);
    if (ready.empty()) {
      errno = ETIMEDOUT;
      fail("waiting for an echo");
    }
    for (const epoll_event& event : ready) {
      const int fd = static_cast<int>(event.data.u64);
      if (missing.size() <= static_cast<std::size_t>(fd))
        missing.resize(static_cast<std::size_t>(fd) + 1);
      std::size_t& rest = missing[static_cast<std::size_t>(fd)];
      if ((event.events & EPOLLOUT) != 0 && rest == 0) {
        const ssize_t sent = ::send(fd, message.data(), message.size(), MSG_NOSIGNAL);
        if (sent != static_cast<ssize_t>(message.size())) fail("send");
        rest = message.size();
        watch(epoll, EPOLL_CTL_MOD, fd, EPOLLIN, event.data.u64);
        continue;
      }
      const ssize_t got = ::recv(fd, message.data(), rest, 0);
      if (got <= 0) fail("recv");
      rest -= static_cast<std::size_t>(got);
      if (rest > 0) continue;
      --open;
      watch(epoll, EPOLL_CTL_DEL, fd, 0, 0);
    }
  }
}

}  // namespace

int run_idle(const ClientOptions& options) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  Events events;
  std::vector<char> message(options.size, 'x');
  std::vector<int> all;
  while (all.size() < options.connections) {
    std::vector<int> batch;
    while (batch.size() < kBatch && all.size() + batch.size() < options.connections) {
      const int fd = connect_to(options.targets.front().port);
      reset_on_close(fd);
      batch.push_back(fd);
    }
    exchange(epoll, events, batch, message);
    all.insert(all.end(), batch.begin(), batch.end());
  }
  std::printf("{\"connections\": %zu}\n", all.size());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  for (const int fd : all) ::close(fd);
  return 0;
}

}  // namespace leat::bench
