// Public: busy polling of the kernel by a loop.
#pragma once

#include <chrono>

namespace leat {

/// How a loop waits: before it sleeps, its thread polls the network card's queue that its sockets'
/// packets come from, instead of leaving that to interrupts. Off by default, for it costs a CPU;
/// docs/busy-polling.md. Needs Linux 6.9; what cannot be had is an error of EventLoop::create(),
/// not a loop that quietly does without.
struct BusyPollOptions {
  /// How long to poll before sleeping, up to 2^31 - 1 us. 0: no busy polling.
  std::chrono::microseconds time{0};
  /// Packets taken in one poll, up to 65535; more than 64 needs CAP_NET_ADMIN. 0: the kernel's 8.
  /// For loops over epoll; io_uring has no such setting.
  int budget = 0;
  /// Keeps the card's interrupts off while the loop comes back to poll; only together with
  /// napi_defer_hard_irqs and gro_flush_timeout of the device.
  bool prefer = false;

  [[nodiscard]] bool wanted() const { return time.count() != 0; }
};

}  // namespace leat
