// Internal: one TCP connection of this process, and its way through shared memory.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "leat/smc/link.h"
#include "leat/smc/process_page.h"
#include "leat/smc/receiver.h"
#include "leat/smc/segment.h"
#include "leat/smc/sender.h"

namespace leat::preload {

/// What the descriptor table has for a TCP connection. One for each socket (not descriptor: dup'ed
/// descriptors share it), from a pool that is never given back to the system, so that a stale
/// pointer is still a Connection.
///
///     watched ----(earned)----> offered ----(segment, proof)----> shared
///        |                        |                                  |
///        +------------------------+-----------> pinned <-------------+ folded for good
///
/// Any thread. Nothing here allocates or logs.
class Connection {
 public:
  enum class Stage : std::uint32_t { kWatched, kOffered, kAttached, kShared, kPinned };

  /// Around every use (see Held): meanwhile the segment stays mapped, whoever closes the
  /// descriptor.
  [[nodiscard]] bool try_enter() {
    std::uint32_t users = users_.load(std::memory_order_relaxed);
    while (users != 0) {
      if (users_.compare_exchange_weak(users, users + 1, std::memory_order_acquire)) return true;
    }
    return false;  // Free, and maybe soon another connection.
  }
  void leave() {
    if (users_.fetch_sub(1, std::memory_order_acq_rel) == 1) last_left();
  }

  /// The same for a block; see Held for one that was found by its descriptor.
  class Use {
   public:
    explicit Use(Connection& connection)
        : connection_(connection.try_enter() ? &connection : nullptr) {}
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() {
      if (connection_ != nullptr) connection_->leave();
    }

   private:
    Connection* connection_;
  };

  // --- set-up: connection.cc -----------------------------------------------------------------

  /// Whether the segment is mapped and calls go by Sender and Receiver.
  [[nodiscard]] bool is_shared() const { return shared_.load(std::memory_order_acquire); }
  [[nodiscard]] Stage stage() const { return stage_.load(std::memory_order_acquire); }
  /// After a call on a connection that is not shared yet, which moved `bytes`: counts, offers,
  /// fetches, proves. Never inside one of the native scopes below, nor with a lock. Keeps errno.
  void note_call(int fd, std::size_t bytes) {
    if (stage() != Stage::kPinned) note_call_slowly(fd, bytes, false);
  }
  /// The same for a call that has read `bytes`, before the program sees them.
  void note_input(int fd, std::size_t bytes) {
    if (stage() != Stage::kPinned) note_call_slowly(fd, bytes, bytes != 0);
  }
  /// Before a native call: another process of the family may have accelerated the connection.
  [[nodiscard]] bool attach_if_family_did(int fd) {
    if (slot_ == nullptr || slot_->state.load(std::memory_order_seq_cst) != smc::SlotState::kShared)
      return false;
    return join_family(fd);
  }

  [[nodiscard]] smc::Sender<> sender() { return link_.sender(); }
  [[nodiscard]] smc::Receiver<> receiver() { return link_.receiver(); }
  [[nodiscard]] smc::EndControl& mine() { return link_.mine(); }
  [[nodiscard]] smc::EndControl& peer() { return link_.peer(); }
  [[nodiscard]] smc::Link& link() { return link_; }
  [[nodiscard]] smc::ConnectionSlot* slot() const { return slot_; }
  /// See Link::wake_peer().
  void wake_peer(int fd) {
    link_.wake_peer(fd, slot_->holders.load(std::memory_order_relaxed) == 1);
  }
  [[nodiscard]] bool connects() const { return connects_; }

  // --- life: connection.cc -------------------------------------------------------------------

  void begin(smc::ConnectionSlot& slot, bool connects);
  /// Came by exec or SCM_RIGHTS: asks the broker whether it has a segment.
  void find_inherited(int fd, std::uint64_t cookie);
  void add_descriptor() { descriptors_.fetch_add(1, std::memory_order_relaxed); }
  /// The last one ends it.
  void drop_descriptor();
  [[nodiscard]] bool is_last_descriptor() const {
    return descriptors_.load(std::memory_order_relaxed) == 1;
  }
  [[nodiscard]] bool is_in_use() const { return users_.load(std::memory_order_acquire) != 0; }
  void forked();
  /// TCP for good, for a connection that is not shared.
  void pin(smc::FallbackReason reason);
  /// The kernel wakes for a doorbell, which is one byte, whatever SO_RCVLOWAT is: that is seen to
  /// here.
  void hear_single_bytes(int fd) const;
  /// A doorbell is a small segment that no data follows: Nagle's algorithm would keep it until the
  /// peer's delayed acknowledgement, 40 ms. So the socket has TCP_NODELAY whatever the program has
  /// set.
  void ring_at_once(int fd) const;
  /// The ring side of input is opened when nobody reads the socket natively.
  void try_open_input(int fd);

  // --- waiting: what poll, select and epoll need ---------------------------------------------

  /// Shared, and without a lock or a system call: the rings may have something to read, or the peer
  /// wants to fold.
  [[nodiscard]] bool maybe_readable();
  /// Exactly, under the rx lock: eats the doorbells that lie in the socket, follows the spans,
  /// answers a peer that wants to fold. `from_kernel` are the events the kernel has reported for
  /// the socket; returns what of them is true for the program, EPOLLIN added where a ring has bytes
  /// (as many as SO_RCVLOWAT asks). `is_sets`: asked by the set on whose board this connection is,
  /// which sees to its sleepers. Keeps errno.
  [[nodiscard]] std::uint32_t true_events(int fd, std::uint32_t from_kernel, bool is_sets = false);
  /// Before sleeping in the kernel with this socket among the awaited: marks this end armed. The
  /// caller then asks maybe_readable() once more, and sleeps only if it is false.
  void arm();
  /// The mark alone.
  void mark_armed();
  /// Before exec: who comes after may sleep in the kernel before it knows anything, so from now on
  /// whatever comes rings.
  void wakes_heirs();
  /// After that sleep, or instead of it. While other threads sleep on the same end it stays armed.
  void disarm();
  /// Before the rings are read: sets the mark again that a doorbell has taken, if somebody else
  /// sleeps on this end.
  void stay_armed();
  enum class Doorbells : std::uint8_t {
    kEat,
    kLookAgain,  ///< Bytes have come.
    kLeave,      ///< A sleeper of another set is to wake by them; they stay where they are.
  };
  /// Under the rx lock, with the rings empty: before doorbells without a number are eaten.
  /// `is_sets`: see true_events().
  [[nodiscard]] Doorbells judge_doorbells(bool is_sets = false);
  /// Stream position up to which bytes have come, for edge-triggered sets: grows when bytes arrive.
  [[nodiscard]] std::uint64_t arrivals();
  /// While true the mark stays when the last waiter disarms: a set keeps it armed though nobody
  /// looks at it (cold members).
  std::atomic<std::uint32_t> kept_armed{0};

 private:
  void note_call_slowly(int fd, std::size_t bytes, bool is_input);
  void offer(int fd);
  void take_answer(int fd, const smc::Answer& answer);
  void prove(int fd);
  void look_elsewhere(int fd);
  bool join_family(int fd);
  void last_left();

  std::atomic<bool> shared_{false};
  bool connects_ = false;
  std::atomic<bool> in_set_up_{false};
  std::atomic<Stage> stage_{Stage::kWatched};
  std::atomic<std::uint32_t> users_{0};        ///< Calls inside, and one while it has descriptors.
  std::atomic<std::uint32_t> descriptors_{0};  ///< Entries of the table.
  std::atomic<std::uint32_t> calls_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::uint32_t matched_seen_ = 0;
  smc::ConnectionSlot* slot_ = nullptr;
  smc::Offer offer_;
  smc::Link link_;

 public:
  // Hints and memories of calls; each is written by whoever makes the call.
  std::atomic<bool> non_blocking{false};  ///< As O_NONBLOCK was last set or seen.
  std::atomic<int> low_water{1};          ///< SO_RCVLOWAT.
  std::atomic<int> no_delay{0};           ///< TCP_NODELAY as the program has it.
  std::atomic<int> pending_error{0};      ///< Of the socket, met before the rings were empty.
  std::atomic<bool> reset_told{false};
  std::atomic<std::int64_t> big_ring_used_ms{
      0};                                      ///< When we last wrote there; 0: pages given back.
  std::atomic<std::uint32_t> sends_unread{0};  ///< Since the peer was last asked for.

  /// The next in the pool's list of free ones; the pool's own.
  std::atomic<std::uint32_t> next_free{0};
};

}  // namespace leat::preload
