#include "leat/net/chunk.h"

#include <cstring>

#include "leat/base/assert.h"
#include "leat/net/receive_buffer.h"
#include "leat/net/tcp_connection.h"

namespace leat {

void internal::ChunkAccount::give_back(std::size_t bytes) noexcept {
  held_ -= bytes;
  if (connection_ != nullptr) connection_->chunk_was_freed();
}

Chunk::Chunk(ReceiveBuffer& input, std::size_t count, BufferPool& pool,
             std::shared_ptr<internal::ChunkAccount> account)
    : account_(std::move(account)) {
  LEAT_ASSERT(count > 0 && count <= input.size(), "a chunk of what is not there");
  if (count == input.size() && count >= input.capacity() / 2 && input.capacity() > 0) {
    // All of it, in memory of its own: nothing to copy.
    ReceiveBuffer::OwnMemory own = input.release();
    bytes_ = own.bytes;
    memory_ = std::move(own.memory);
  } else {
    char* to = allocate(count, pool);
    std::memcpy(to, input.view().data(), count);
    bytes_ = {to, count};
    input.consume(count);
  }
  counted_ = bytes_.size();
  account_->add(counted_);
}

char* Chunk::allocate(std::size_t size, BufferPool& pool) {
  // Never more than twice what is counted.
  if (size >= pool.block_size() / 2 && size <= pool.block_size()) {
    block_ = pool.take();
    return reinterpret_cast<char*>(block_.data());
  }
  memory_ = std::make_unique_for_overwrite<char[]>(size);
  return memory_.get();
}

Chunk::~Chunk() {
  block_.reset();
  memory_.reset();
  if (account_ != nullptr) account_->give_back(counted_);
}

void Chunk::swap(Chunk& other) noexcept {
  std::swap(bytes_, other.bytes_);
  std::swap(memory_, other.memory_);
  std::swap(block_, other.block_);
  std::swap(counted_, other.counted_);
  std::swap(account_, other.account_);
}

void Chunk::remove_prefix(std::size_t count) {
  LEAT_ASSERT(count <= size(), "more was removed than there is");
  bytes_.remove_prefix(count);
}

void Chunk::remove_suffix(std::size_t count) {
  LEAT_ASSERT(count <= size(), "more was removed than there is");
  bytes_.remove_suffix(count);
}

}  // namespace leat
