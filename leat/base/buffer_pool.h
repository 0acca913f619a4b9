// Public: blocks of memory of one size, kept for the next use.
#pragma once

#include <cstddef>
#include <utility>

#include "leat/base/counter.h"

namespace leat {

namespace internal {
struct BufferPoolCore;
}

/// Sole owner of a block of a `BufferPool`, which gets it back when the owner is destroyed.
/// Belongs to the pool's thread, also to be destroyed there; it may outlive the pool.
class PooledBuffer {
 public:
  /// Owns nothing.
  PooledBuffer() = default;
  PooledBuffer(PooledBuffer&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)), data_(std::exchange(other.data_, nullptr)) {}
  PooledBuffer& operator=(PooledBuffer&& other) noexcept {
    if (this != &other) {
      reset();
      core_ = std::exchange(other.core_, nullptr);
      data_ = std::exchange(other.data_, nullptr);
    }
    return *this;
  }
  PooledBuffer(const PooledBuffer&) = delete;
  PooledBuffer& operator=(const PooledBuffer&) = delete;
  ~PooledBuffer() { reset(); }

  /// The block, aligned as by operator new and with unspecified content; nullptr without one.
  [[nodiscard]] std::byte* data() const { return data_; }
  /// Its size in bytes; 0 without one.
  [[nodiscard]] std::size_t size() const;
  explicit operator bool() const { return data_ != nullptr; }
  /// Gives the block back now.
  void reset() noexcept;

 private:
  friend class BufferPool;
  PooledBuffer(internal::BufferPoolCore* core, std::byte* data) : core_(core), data_(data) {}

  internal::BufferPoolCore* core_ = nullptr;
  std::byte* data_ = nullptr;
};

/// What a pool did and holds, in blocks. Readable from any thread while the pool lives.
struct BufferPoolCounters {
  Counter taken;        ///< calls of take() that gave a block
  Counter allocated;    ///< of these, the ones that had to ask the heap
  Counter outstanding;  ///< a gauge: taken and not yet given back
  Counter free;         ///< a gauge: kept for the next take()
};

/// Gives out blocks of one size and keeps those that come back, up to a bound; the rest returns to
/// the heap. Belongs to the thread that made it, and so do its blocks: nothing is shared, nothing
/// is locked. The block given back last is taken first, while it is warm in the cache.
///
///     free -> [ next | ......... ] -> [ next | ......... ] -> null
///              a free block's first bytes hold the address of the next one
class BufferPool {
 public:
  /// `block_size` in bytes, at least that of a pointer. At most `max_free_bytes` are kept free.
  BufferPool(std::size_t block_size, std::size_t max_free_bytes);
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  /// Frees the free blocks. Those outstanding stay valid and go to the heap as they come back.
  ~BufferPool();

  /// A block, from the free ones or from the heap. Throws std::bad_alloc without memory.
  [[nodiscard]] PooledBuffer take();
  /// Gives all free blocks to the heap.
  void release_free();

  [[nodiscard]] std::size_t block_size() const;
  [[nodiscard]] const BufferPoolCounters& counters() const;

 private:
  internal::BufferPoolCore* core_;
};

}  // namespace leat
