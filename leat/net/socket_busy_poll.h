// Public: busy polling of the kernel for one socket.
#pragma once

#include <chrono>

namespace leat {

/// What a socket asks of the kernel's busy polling (man 7 socket); docs/busy-polling.md says what
/// it costs and when it does nothing. Off by default. `prefer` and `budget` need CAP_NET_ADMIN, on
/// older kernels `time` does too; what cannot be set is an error of the call that makes the socket.
struct SocketBusyPoll {
  /// SO_BUSY_POLL: a receive that finds nothing polls the queue of the network card that the
  /// socket's last packet came from; for so long if it may wait, once on a socket of a loop, which
  /// never waits. For a loop that waits by polling see EventLoopOptions::busy_poll. 0: off.
  std::chrono::microseconds time{0};
  /// SO_PREFER_BUSY_POLL (Linux 5.11): keep the card's interrupts off while the program polls.
  bool prefer = false;
  /// SO_BUSY_POLL_BUDGET (Linux 5.11): packets of one poll, up to 65535. 0: the kernel's 8.
  int budget = 0;

  [[nodiscard]] bool wanted() const { return time.count() != 0 || prefer || budget != 0; }
};

}  // namespace leat
