// Internal: a machine for two ends: shared memory that is seen late, and a TCP connection.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "leat/base/random.h"
#include "leat/smc/ism_device.h"
#include "leat/smc/segment.h"

namespace leat::smc::sim {

/// Known bugs, put back one at a time: the simulation must find each.
enum class Bug : std::uint8_t {
  kNone,
  kNoPeekRule,           ///< Takes TCP bytes without a second look().
  kNoDoorbellPeekRule,   ///< The same for doorbells without a number.
  kDoorbellIsData,       ///< Leaves the doorbells before a TCP span in the stream.
  kMarksBeforeStores,    ///< Looks for sleepers before its stores are visible.
  kLookBeforeArming,     ///< Looks for bytes, then marks itself asleep.
  kLogBeforeCursor,      ///< Reads the log of spans before the cursor, and not after.
  kConsumedBeforeCopy,   ///< Gives room back before the bytes are out of it.
  kCursorBeforeBytes,    ///< Publishes the cursor before the bytes are there.
  kStoresOutOfOrder,     ///< The peer may see a later store without an earlier one.
  kBigRingWhileUnread,   ///< Enters the big ring while it holds unread bytes.
  kResendBigFirst,       ///< Resends the rings in the wrong order.
  kTcpWithoutWaking,     ///< Leaves the ring without waking who sleeps on it.
  kTakesAllMarks,        ///< Takes the doorbell's mark where it rings none.
  kNoRecovery,           ///< Takes the lock from the dead and goes on as if nothing was.
  kEatWithoutRearming,   ///< Eats the doorbell of another thread that still sleeps.
  kFoldWithoutSettling,  ///< to_ring() does not look for a fold at that moment.
};
inline constexpr int kBugs = 17;

/// Thrown out of a device's call: the holder was killed there.
struct Killed {};
/// What the oracle has found.
struct Failure {
  std::string what;
};

/// One direction of a TCP connection, in the one kernel.
struct TcpQueue {
  std::deque<unsigned char> bytes;
  std::size_t capacity = 0;
  std::uint64_t written = 0;
  std::uint64_t consumed = 0;
  bool ended = false;  ///< FIN, or a reset, lies behind the bytes.
};

/// Two ends' stores, each end's seen by the other in order but late; calls of others in between;
/// and death. Single-threaded: `interlude` runs a step of somebody else inside a device's call.
class World {
 public:
  World(std::uint64_t seed, Bug put_back) : random(seed), bug(put_back) {}

  struct Store {
    std::atomic<std::uint64_t>* word;
    std::uint64_t value;
  };

  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return random() % bound; }
  [[nodiscard]] bool one_in(std::uint64_t n) { return below(n) == 0; }
  [[nodiscard]] bool has(Bug one) const { return bug == one; }

  /// Between any two accesses to the shared memory.
  void hook(unsigned end) {
    if (countdown[end] != 0 && --countdown[end] == 0) throw Killed();
    if (one_in(4)) see_some(static_cast<unsigned>(below(2)));
    if (depth == 0 && one_in(6)) {
      ++depth;
      interlude();
      --depth;
    }
  }
  /// Some of `end`'s stores become visible, the oldest first.
  void see_some(unsigned end) {
    std::deque<Store>& queue = stores[end];
    for (std::size_t i = below(queue.size() + 1); i > 0; --i) {
      const std::size_t which = has(Bug::kStoresOutOfOrder) ? queue.size() - 1 : 0;
      see(queue[which]);
      queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(which));
    }
  }
  /// All of them: a system call, or a read-modify-write that the peer has to see.
  void see_all(unsigned end) {
    for (const Store& store : stores[end]) see(store);
    stores[end].clear();
  }

  Random random;
  Bug bug;
  std::deque<Store> stores[2];
  std::function<void()> interlude;
  bool settling = false;                          ///< Nobody starts anything new.
  const std::atomic<std::uint64_t>* log[2] = {};  ///< For kLogBeforeCursor: the count of spans,
  std::uint64_t log_before[2] = {};               ///< and what it was before the last other load.
  int depth = 1;                                  ///< 0: interludes may come in between.
  std::uint64_t countdown[2] = {};  ///< Device calls of an end until it is killed; 0: never.

 private:
  static void see(const Store& store) { store.word->store(store.value); }
};

/// The device of one end.
struct SimDevice {
  World* world = nullptr;
  unsigned end = 0;

  [[nodiscard]] std::span<char> window(const RemoteRing& ring, std::uint64_t offset,
                                       std::size_t size) const {
    world->hook(end);
    return LoopbackDevice::window(ring, offset, size);
  }
  void move_data(std::atomic<std::uint64_t>& cursor, std::uint64_t value) const {
    post(cursor, value);
  }
  void post(std::atomic<std::uint64_t>& word, std::uint64_t value) const {
    world->hook(end);
    world->stores[end].push_back({&word, value});
  }
  [[nodiscard]] std::uint64_t load(const std::atomic<std::uint64_t>& word) const {
    if (world->has(Bug::kLogBeforeCursor)) {
      if (&word == world->log[end]) return world->log_before[end];
      world->log_before[end] = *world->log[end];
    }
    world->hook(end);
    std::uint64_t value = word.load();
    // An end sees its own stores.
    for (const World::Store& store : world->stores[end]) {
      if (store.word == &word) value = store.value;
    }
    return value;
  }
  void keep(std::atomic<std::uint64_t>& word, std::uint64_t value) const {
    world->hook(end);
    word.store(value);
  }
  [[nodiscard]] std::uint32_t take_marks(std::atomic<std::uint32_t>& marks,
                                         std::uint32_t which) const {
    world->hook(end);
    if (!world->has(Bug::kMarksBeforeStores)) world->see_all(end);
    if (world->has(Bug::kTakesAllMarks)) which = kWaitDoorbell | kWaitFutex;
    return marks.fetch_and(~which) & which;
  }
  [[nodiscard]] std::uint32_t settle(std::atomic<std::uint32_t>& word) const {
    if (world->has(Bug::kFoldWithoutSettling)) return 0;
    world->hook(end);
    world->see_all(end);
    return word.load();
  }
};
static_assert(IsmDevice<SimDevice>);

}  // namespace leat::smc::sim
