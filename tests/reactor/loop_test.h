// Internal: what the tests of the reactor share.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "leat/base/unique_fd.h"
#include "leat/reactor/channel.h"
#include "leat/reactor/event_loop.h"

namespace leat::test {

/// Which poller a loop gets that asks for none in particular; the tests run with each.
inline bool default_poller_is_uring() {
  const char* wanted = std::getenv("LEAT_POLLER");
  return wanted != nullptr && std::string_view(wanted) == "uring";
}

/// Two connected, non-blocking ends.
struct Ends {
  UniqueFd a;
  UniqueFd b;

  static Ends socket_pair() {
    std::array<int, 2> fds{-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
  }
  /// a reads, b writes.
  static Ends pipe() {
    std::array<int, 2> fds{-1, -1};
    EXPECT_EQ(::pipe2(fds.data(), O_NONBLOCK | O_CLOEXEC), 0);
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
  }
};

inline void write_to(const UniqueFd& fd, std::string_view text) {
  ASSERT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

/// Takes what is there; the number of bytes, 0 at the end of the stream.
inline ssize_t drain(const UniqueFd& fd) {
  std::array<char, 4096> buffer;
  return ::read(fd.get(), buffer.data(), buffer.size());
}

/// A loop that fails the test instead of hanging. It holds one timer, far away.
class LoopTest : public ::testing::Test {
 protected:
  LoopTest() : owned_loop(EventLoop::create({.name = "test"}).value()), loop(*owned_loop) {
    watchdog = loop.run_every(std::chrono::seconds(30), [this] {
      ADD_FAILURE() << "the loop was left waiting";
      loop.quit();
    });
  }

  /// Runs exactly one iteration.
  void iterate() {
    loop.quit();
    ASSERT_TRUE(loop.loop());
  }
  /// Runs until quit().
  void run() { ASSERT_TRUE(loop.loop()); }

  std::unique_ptr<EventLoop> owned_loop;
  EventLoop& loop;
  TimerId watchdog;
};

}  // namespace leat::test
