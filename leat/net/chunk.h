// Public: received bytes that a coroutine owns.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include "leat/base/buffer_pool.h"

namespace leat {

class BufferPool;
class ReceiveBuffer;
class TcpConnection;

namespace internal {

/// What a connection's chunks hold of its receive_limit. Shared by them, and may outlive it.
class ChunkAccount {
 public:
  explicit ChunkAccount(TcpConnection& connection) : connection_(&connection) {}

  [[nodiscard]] std::size_t held() const { return held_; }
  void add(std::size_t bytes) { held_ += bytes; }
  /// Lets the connection read on if it has stopped for want of room.
  void give_back(std::size_t bytes) noexcept;
  void forget_connection() { connection_ = nullptr; }

 private:
  std::size_t held_ = 0;
  TcpConnection* connection_;
};

}  // namespace internal

/// Bytes that a connection has received, in memory of its own. They count against the connection's
/// receive_limit until the chunk is destroyed: whoever keeps chunks slows the peer down, and
/// whoever keeps the whole limit and reads on waits until some of it is destroyed. May outlive its
/// connection, but belongs to its loop's thread, also to be destroyed there.
class Chunk {
 public:
  /// Empty, which as the result of a read means that the peer has finished.
  Chunk() = default;
  Chunk(Chunk&& other) noexcept { swap(other); }
  Chunk& operator=(Chunk&& other) noexcept {
    Chunk taken(std::move(other));
    swap(taken);
    return *this;
  }
  Chunk(const Chunk&) = delete;
  Chunk& operator=(const Chunk&) = delete;
  ~Chunk();

  /// Valid as long as the chunk, also when that is moved.
  [[nodiscard]] std::string_view view() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  /// Hides the first `count` bytes (at most size()); their memory stays.
  void remove_prefix(std::size_t count);
  /// Hides the last `count` bytes (at most size()).
  void remove_suffix(std::size_t count);

  // For connections.

  /// Takes the first `count` bytes (at least one) out of `input`. Throws std::bad_alloc without
  /// memory, and nothing is taken.
  Chunk(ReceiveBuffer& input, std::size_t count, BufferPool& pool,
        std::shared_ptr<internal::ChunkAccount> account);

 private:
  void swap(Chunk& other) noexcept;
  [[nodiscard]] char* allocate(std::size_t size, BufferPool& pool);

  std::string_view bytes_;
  std::unique_ptr<char[]> memory_;  // or
  PooledBuffer block_;
  std::size_t counted_ = 0;
  std::shared_ptr<internal::ChunkAccount> account_;
};

}  // namespace leat
