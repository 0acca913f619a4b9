// Internal: plain blocking sockets and a bounded wait, to stand opposite of what is tested.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "leat/base/unique_fd.h"
#include "leat/net/inet_address.h"
#include "leat/reactor/event_loop.h"

#include "tests/net/support/uninterrupted.h"

namespace leat::testing {

/// Longer than anything takes that works.
inline constexpr Duration kDeadline = std::chrono::seconds(20);

/// Runs the loop until `done`, which is asked every millisecond; false at the deadline.
inline bool run_until(EventLoop& loop, const std::function<bool()>& done,
                      Duration deadline = kDeadline) {
  bool held = false;
  const MonotonicTime end = monotonic_now() + deadline;
  struct Timer {
    EventLoop& loop;
    TimerId id;
    // Also when an exception leaves the loop.
    ~Timer() { loop.cancel(id); }
  };
  const Timer timer{loop, loop.run_every(std::chrono::milliseconds(1), [&] {
                      held = done();
                      if (held || monotonic_now() > end) loop.quit();
                    })};
  loop.loop().value();
  return held;
}

inline UniqueFd plain_socket(const InetAddress& address) {
  return UniqueFd(::socket(address.domain(), SOCK_STREAM | SOCK_CLOEXEC, 0));
}

/// A connected, blocking socket; none with errno set if that failed.
inline UniqueFd plain_connect(const InetAddress& address) {
  UniqueFd socket = plain_socket(address);
  if (!uninterrupted_connect(socket, address)) return {};
  return socket;
}

/// A blocking listener on a free loopback port.
inline UniqueFd plain_listener(int backlog = 128,
                               const InetAddress& address = InetAddress::loopback(0)) {
  UniqueFd socket = plain_socket(address);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), address.get(), address.size()) != 0) return {};
  if (::listen(socket.get(), backlog) != 0) return {};
  return socket;
}

inline UniqueFd plain_accept(const UniqueFd& listener) {
  return UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

inline int int_option(int socket, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  ::getsockopt(socket, level, option, &value, &size);
  return value;
}

/// A folder for Unix sockets, removed with what is in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = "/tmp/leat-test-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] std::string file(std::string_view name) const {
    return path_ + "/" + std::string(name);
  }

 private:
  std::string path_;
};

}  // namespace leat::testing
