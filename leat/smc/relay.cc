#include "leat/smc/internal/relay.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>

namespace leat::smc::internal {

namespace {

constexpr int kAskAgainMs = 20;

/// One direction. Bytes wait in a buffer; what the end of `from` was is told to `to` behind them.
///
///     flowing --(end or error of `from`)--> ending --(buffer empty)--> ended
///         +-------------(`to` takes no more)----------------------------^
class Stream {
 public:
  /// `broken`, of both streams: a connection was lost, and the other one is to be reset in the end.
  /// The kernel says so once, to whichever stream comes first.
  Stream(int rest, int from, int to, bool& broken)
      : rest_(rest), from_(from), to_(to), broken_(broken) {}

  [[nodiscard]] bool has_ended() const { return ended_; }
  [[nodiscard]] bool wants_input() const { return !ended_ && !source_ended_ && begin_ == end_; }
  [[nodiscard]] bool wants_room() const { return !ended_ && begin_ != end_; }

  /// As far as it goes without waiting.
  void move() {
    for (bool moved = true; moved && !ended_;) {
      moved = begin_ == end_ && !source_ended_ && fill();
      if (begin_ != end_ && !ended_) moved = drain() || moved;
    }
    if (source_ended_ && begin_ == end_ && !ended_) {
      if (!broken_) ::shutdown(to_, SHUT_WR);
      ended_ = true;
    }
  }

 private:
  bool fill() {
    ssize_t got = 0;
    if (rest_ >= 0) {
      got = ::read(rest_, buffer_.data(), buffer_.size());
      if (got == 0) {
        rest_ = -1;
        return true;
      }
      // With a hole in it the stream must not go on.
      broken_ = broken_ || got < 0;
      source_ended_ = got < 0;
    } else {
      got = ::recv(from_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
      broken_ = broken_ || got < 0;
      source_ended_ = got <= 0;
    }
    begin_ = 0;
    end_ = got > 0 ? static_cast<std::size_t>(got) : 0;
    return got > 0;
  }
  bool drain() {
    const ssize_t sent =
        ::send(to_, buffer_.data() + begin_, end_ - begin_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (sent < 0) {
      broken_ = true;
      ended_ = true;
      return false;
    }
    begin_ += static_cast<std::size_t>(sent);
    return true;
  }

  int rest_;
  int from_;
  int to_;
  bool& broken_;
  std::array<char, 65536> buffer_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool source_ended_ = false;
  bool ended_ = false;
};

/// Bytes on their way to the other end arrive before the reset does, as they would have without a
/// relay in between.
void reset(int fd) {
  for (;;) {
    int queued = 0;
    pollfd one{.fd = fd, .events = 0, .revents = 0};
    if (::ioctl(fd, SIOCOUTQ, &queued) != 0 || queued == 0) break;
    if (::poll(&one, 1, kAskAgainMs) != 0) break;
  }
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

bool is_tcp(int fd) {
  int protocol = 0;
  socklen_t size = sizeof protocol;
  return ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
         protocol == IPPROTO_TCP;
}

// Whoever runs the broker reads this file for whoever asked: a memory file is nobody's secret.
bool is_memory_file(int fd) {
  return ::fcntl(fd, F_GET_SEALS) >= 0;
}

/// Nothing of the broker's stays open: its lock, its clients, the pipes it was started with.
void close_others(const RelayEnds& ends) {
  std::array<int, 3> kept = {ends.old.get(), ends.fresh.get(), ends.rest.get()};
  std::sort(kept.begin(), kept.end());
  long from = 0;
  for (const int fd : kept) {
    if (from < fd) ::syscall(SYS_close_range, from, long{fd} - 1, 0L);
    from = long{fd} + 1;
  }
  ::syscall(SYS_close_range, from, long{INT_MAX}, 0L);
}

[[noreturn]] void run_child(const RelayEnds& ends) {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setsid();
  ::prctl(PR_SET_NAME, "leat-relay");
  close_others(ends);
  relay(ends);
  ::_exit(0);
}

}  // namespace

void relay(const RelayEnds& ends) {
  const int old = ends.old.get();
  const int fresh = ends.fresh.get();
  bool broken = false;
  Stream in(ends.rest.get(), old, fresh, broken);
  Stream out(-1, fresh, old, broken);
  for (;;) {
    in.move();
    out.move();
    // Who has lost its connection while bytes are on their way to it gets them first, as from the
    // queue of a socket that was reset.
    if (broken ? !in.wants_room() : in.has_ended() && out.has_ended()) break;
    std::array<pollfd, 2> both = {pollfd{.fd = old, .events = 0, .revents = 0},
                                  pollfd{.fd = fresh, .events = 0, .revents = 0}};
    const auto events = [](const Stream& from_here, const Stream& to_here) {
      return static_cast<short>((from_here.wants_input() ? POLLIN : 0) |
                                (to_here.wants_room() ? POLLOUT : 0));
    };
    both[0].events = events(in, out);
    both[1].events = events(out, in);
    // One that is not waited for would answer with POLLHUP at once, for ever.
    for (pollfd& one : both) {
      if (one.events == 0) one.fd = -1;
    }
    if (::poll(both.data(), both.size(), -1) < 0 && errno != EINTR) break;
  }
  if (broken) {
    reset(old);
    reset(fresh);
  }
}

bool RelayDesk::start(RelayEnds ends) {
  reap();
  if (relays_.size() >= kMost) return false;
  if (!ends.old || !ends.fresh || !ends.rest) return false;
  if (!is_tcp(ends.old.get()) || !is_tcp(ends.fresh.get()) || !is_memory_file(ends.rest.get())) {
    return false;
  }
  const pid_t child = ::fork();
  if (child == 0) run_child(ends);
  if (child < 0) return false;
  relays_.push_back(child);
  return true;
}

void RelayDesk::reap() {
  std::erase_if(relays_, [](pid_t relay) { return ::waitpid(relay, nullptr, WNOHANG) != 0; });
}

}  // namespace leat::smc::internal
