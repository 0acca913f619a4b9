// Internal: one TCP connection of this process, and its way through shared memory.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "leat/smc/process_page.h"
#include "leat/smc/receiver.h"
#include "leat/smc/segment.h"
#include "leat/smc/sender.h"

namespace leat::preload {

/// What the descriptor table has for a TCP connection. One for each socket (not descriptor: dup'ed
/// descriptors share it), from a pool that is never given back to the system, so that a stale pointer is
/// still a Connection; `generation` tells whether it is still the same.
///
///     watched ----(earned)----> offered ----(segment, proof)----> shared
///        |                        |                                  |
///        +------------------------+-----------> pinned <-------------+ folded for good
///
/// Any thread. Nothing here allocates or logs; errno is kept.
class Connection {
 public:
  // --- set-up: connection.cc -----------------------------------------------------------------

  /// Whether the segment is mapped and this end's flags are set: calls go by Sender and Receiver.
  [[nodiscard]] bool is_shared() const { return shared_.load(std::memory_order_acquire); }
  /// A call on a connection that is not shared yet, having moved `bytes`: counts, offers, fetches,
  /// proves. Cheap until it has earned it. Never while this thread is inside one of the scopes below.
  void note_call(int fd, std::size_t bytes);

  /// Around a native call on a connection that is not shared: lanes do not change meanwhile.
  class NativeRead;
  class NativeWrite;

  [[nodiscard]] smc::Sender<>& sender() { return sender_; }
  [[nodiscard]] smc::Receiver<>& receiver() { return receiver_; }
  [[nodiscard]] smc::EndControl& mine() { return *mine_; }
  [[nodiscard]] smc::EndControl& peer() { return *peer_; }
  [[nodiscard]] smc::ConnectionSlot& slot() { return *slot_; }

  // --- waiting: what poll, select and epoll need ---------------------------------------------

  /// Shared, and without a lock or a system call: the rings may have something to read.
  [[nodiscard]] bool maybe_readable() const { return receiver_.maybe_readable(); }
  /// Exactly, under the rx lock: eats the doorbells that lie in the socket, follows the spans, answers a
  /// peer that wants to fold. `from_kernel` are the events the kernel has reported for the socket; returns what
  /// of them is true for the program, EPOLLIN added where a ring has bytes (as many as SO_RCVLOWAT asks).
  [[nodiscard]] std::uint32_t true_events(int fd, std::uint32_t from_kernel);
  /// Before sleeping in the kernel with this socket among the awaited: marks this end armed. The
  /// caller then asks maybe_readable() once more, and sleeps only if it is false.
  void arm();
  /// After that sleep, or instead of it. While other threads sleep on the same end it stays armed.
  void disarm();
  /// Stream position up to which bytes have come, for edge-triggered sets: grows when bytes arrive.
  [[nodiscard]] std::uint64_t arrivals() const;

 private:
  friend class ConnectionPool;
  std::atomic<bool> shared_{false};
  smc::EndControl* mine_ = nullptr;
  smc::EndControl* peer_ = nullptr;
  smc::ConnectionSlot* slot_ = nullptr;
  smc::Sender<> sender_;
  smc::Receiver<> receiver_;
};

}  // namespace leat::preload
