// Internal: the sending half of a connection between the rings and TCP, under its tx lock.
#pragma once

#include <cstdint>

#include "apps/preload/connection.h"

namespace leat::preload {

/// A view, as Sender is; every method under the tx lock.
class Output {
 public:
  Output(Connection& connection, int fd)
      : connection_(connection), fd_(fd), sender_(connection.sender()) {}

  enum class Settled { kYes, kWouldBlock };
  /// Does first what must come first: answers a peer that wants to fold, and sends on what is still
  /// to be sent again. kWouldBlock: TCP has no room for that.
  Settled settle();

  /// From TCP into a ring, if all allow it: both ends are proved, the peer is ready, nobody is
  /// inside a native send.
  bool enter_ring();
  /// From a ring to TCP. False if the kernel does not tell the count, or the log of spans is full.
  bool leave_ring();
  /// Puts `bytes` of them, as many as there is room for; wakes the peer. `put(room)` fills a room.
  template <typename Put>
  void fill(std::size_t left, Put put) {
    while (left != 0) {
      std::span<char> room = sender_.room(left);
      if (room.empty()) return;
      // Small enough for the peer to copy out what came while we copy in what follows.
      if (room.size() > kPiece) room = room.first(kPiece);
      std::size_t n = put(room);
      if (n == 0) return;
      if (n == room.size() && n < left && n < kPiece) {
        const std::size_t rest = left - n < kPiece - n ? left - n : kPiece - n;
        room = sender_.room_behind(n, rest);
        if (!room.empty()) n += put(room);
      }
      if (sender_.lane() == smc::Lane::kBig) note_big_ring();
      sender_.commit(n);
      wake();
      left -= n;
    }
  }
  void wake() { connection_.wake_peer(fd_); }
  /// Waits for room in a full ring while the peer makes progress; a few milliseconds at most.
  bool wait_for_room(std::size_t wanted);
  /// The peer may have gone with our bytes unread; then TCP shall tell.
  void look_after_peer();
  /// Gives the pages of the big ring back to the system, if nobody has used it for a second.
  void give_back_idle_ring();

  [[nodiscard]] smc::Sender<>& sender() { return sender_; }
  [[nodiscard]] bool in_ring() const { return sender_.lane() != smc::Lane::kTcp; }

 private:
  void note_big_ring();

  static constexpr std::size_t kPiece = 32U << 10U;

  Connection& connection_;
  int fd_;
  smc::Sender<> sender_;
};

}  // namespace leat::preload
