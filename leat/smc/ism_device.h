// Public: what the state machine asks of the machine below it, as SMC asks of an ISM device.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "leat/smc/segment.h"

namespace leat::smc {

/// The memory of the peer's ring that this end writes: the DMB it was given leave to fill.
struct RemoteRing {
  char* data = nullptr;
  std::uint32_t size = 0;  ///< A power of two.
};

/// The data path of an Internal Shared Memory device. Registering, attaching and unregistering of
/// buffers and the identity of the device are the broker's and LoopbackDevice's; the state machine
/// sees them as done.
///
/// - `window(ring, offset, size)`: where the next bytes for the peer's ring are to be put.
/// - `move_data(cursor, value)`: makes what was put into the window visible to the peer, then the
///   cursor's new value; nobody sees the value before the bytes.
/// - `post(word, value)`: a store to the peer's memory that follows all stores before it.
/// - `load(word)`: what the peer has posted here; and nothing older is read after it.
/// - `keep(word, value)`: a store to what the holders of this end share, in order as well: who
///   takes the lock from a dead one finds all stores up to some instruction, and none after it.
/// - `take_marks(word, which)`, `settle(word)`: all of this end's stores are visible to the peer
///   before the peer's word is read, which the peer changes before it looks for them. take_marks()
///   takes those marks away and returns which of them there were.
template <typename T>
concept IsmDevice =
    requires(T& device, const RemoteRing& ring, std::atomic<std::uint64_t>& word,
             std::atomic<std::uint32_t>& marks, std::uint64_t value, std::size_t size) {
      { device.window(ring, value, size) } -> std::same_as<std::span<char>>;
      { device.move_data(word, value) };
      { device.post(word, value) };
      { device.load(word) } -> std::same_as<std::uint64_t>;
      { device.keep(word, value) };
      { device.take_marks(marks, std::uint32_t{}) } -> std::same_as<std::uint32_t>;
      { device.settle(marks) } -> std::same_as<std::uint32_t>;
    };

/// Loopback: the peer's memory is mapped here. Putting bytes is the one copy (SMC-D's "nocopy").
struct LoopbackDevice {
  static std::span<char> window(const RemoteRing& ring, std::uint64_t offset, std::size_t size) {
    const std::size_t start = offset & (ring.size - 1);
    const std::size_t to_end = ring.size - start;
    return {ring.data + start, size < to_end ? size : to_end};
  }
  static void move_data(std::atomic<std::uint64_t>& cursor, std::uint64_t value) {
    cursor.store(value, std::memory_order_release);
  }
  static void post(std::atomic<std::uint64_t>& word, std::uint64_t value) {
    word.store(value, std::memory_order_release);
  }
  static std::uint64_t load(const std::atomic<std::uint64_t>& word) {
    return word.load(std::memory_order_acquire);
  }
  // Release, so that neither the compiler nor, for a later holder, the processor turns them round.
  static void keep(std::atomic<std::uint64_t>& word, std::uint64_t value) {
    word.store(value, std::memory_order_release);
  }
  // The sleeper marks the word by a read-modify-write, then looks for bytes; this is one too. Of
  // two on one word one comes first: if it is the sleeper's, this one reads the mark; if this one,
  // the sleeper's reads from it (acquire from release) and the look sees all stores before it. So
  // no fence is needed, on any processor, and ThreadSanitizer can follow. The line is this end's
  // while the peer is awake, and the exchange costs what a fence would.
  static std::uint32_t take_marks(std::atomic<std::uint32_t>& marks, std::uint32_t which) {
    return marks.fetch_and(~which, std::memory_order_acq_rel) & which;
  }
  static std::uint32_t settle(std::atomic<std::uint32_t>& word) {
    return word.fetch_or(0, std::memory_order_acq_rel);
  }
};
static_assert(IsmDevice<LoopbackDevice>);

}  // namespace leat::smc
