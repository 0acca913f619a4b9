#include "leat/base/buffer_pool.h"

#include <new>
#include <thread>

#include "leat/base/assert.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) static_cast<void>(0)
#define ASAN_UNPOISON_MEMORY_REGION(address, size) static_cast<void>(0)
#endif

namespace leat {
namespace internal {

/// What the pool and its blocks share. It lives until the pool and the last block are gone; all of
/// them belong to one thread, so plain numbers count them.
struct BufferPoolCore {
  struct FreeBlock {
    FreeBlock* next;
  };

  explicit BufferPoolCore(std::size_t size) : block_size(size) {}

  void assert_thread() const {
    LEAT_ASSERT(thread == std::this_thread::get_id(), "a pool used from another thread");
  }
  void give_back(std::byte* block) noexcept;
  std::byte* take_free();
  void release_free();

  const std::size_t block_size;
  std::size_t max_free = 0;  // in blocks; 0 again once the pool is gone
  const std::thread::id thread = std::this_thread::get_id();
  bool pool_is_gone = false;
  FreeBlock* free = nullptr;
  BufferPoolCounters counters;
};

void BufferPoolCore::give_back(std::byte* block) noexcept {
  assert_thread();
  counters.outstanding.subtract();
  if (counters.free.load() >= max_free) {
    ::operator delete(block);
    if (pool_is_gone && counters.outstanding.load() == 0) delete this;
    return;
  }
  free = ::new (static_cast<void*>(block)) FreeBlock{free};
  counters.free.add();
  // So that AddressSanitizer sees who still uses a block that was given back.
  ASAN_POISON_MEMORY_REGION(block + sizeof(FreeBlock), block_size - sizeof(FreeBlock));
}

/// nullptr if no block is free.
std::byte* BufferPoolCore::take_free() {
  if (free == nullptr) return nullptr;
  auto* block = reinterpret_cast<std::byte*>(std::exchange(free, free->next));
  counters.free.subtract();
  ASAN_UNPOISON_MEMORY_REGION(block, block_size);
  return block;
}

void BufferPoolCore::release_free() {
  while (std::byte* block = take_free()) ::operator delete(block);
}

}  // namespace internal

std::size_t PooledBuffer::size() const {
  return core_ != nullptr ? core_->block_size : 0;
}

void PooledBuffer::reset() noexcept {
  if (data_ == nullptr) return;
  std::exchange(core_, nullptr)->give_back(std::exchange(data_, nullptr));
}

BufferPool::BufferPool(std::size_t block_size, std::size_t max_free_bytes)
    : core_(new internal::BufferPoolCore(block_size)) {
  LEAT_ASSERT(block_size >= sizeof(internal::BufferPoolCore::FreeBlock), "blocks too small");
  core_->max_free = max_free_bytes / block_size;
}

BufferPool::~BufferPool() {
  core_->assert_thread();
  core_->release_free();
  core_->max_free = 0;
  core_->pool_is_gone = true;
  if (core_->counters.outstanding.load() == 0) delete core_;
}

PooledBuffer BufferPool::take() {
  core_->assert_thread();
  std::byte* block = core_->take_free();
  if (block == nullptr) {
    block = static_cast<std::byte*>(::operator new(core_->block_size));
    core_->counters.allocated.add();
  }
  core_->counters.taken.add();
  core_->counters.outstanding.add();
  return PooledBuffer(core_, block);
}

void BufferPool::release_free() {
  core_->assert_thread();
  core_->release_free();
}

std::size_t BufferPool::block_size() const {
  return core_->block_size;
}

const BufferPoolCounters& BufferPool::counters() const {
  return core_->counters;
}

}  // namespace leat
