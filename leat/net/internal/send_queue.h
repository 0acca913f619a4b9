// Internal: output that the kernel has not taken yet.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "leat/base/buffer_pool.h"
#include "leat/base/unique_fd.h"

namespace leat::internal {

/// A queue of pieces, each kept the way it was given: small ones are copied together into blocks
/// of the loop's pool, large ones keep their owner, files stay files. Empty, it owns no block.
///
///     pieces_: head                                     block_: tail
///     +-------------+  +--------------+  +----------+  +------------------+
///     | block       |  | string       |  | file     |  | block            |
///     | sent|queued |  | sent|queued  |  | fd, range|  | sent|queued|room |
///     +-------------+  +--------------+  +----------+  +------------------+
///
/// The block being filled stands apart: most queues are never more than that one, and so never
/// touch the list of pieces. Belongs to the thread of the pool's loop.
class SendQueue {
 public:
  /// Shorter strings are copied, which is cheaper than a piece of their own.
  static constexpr std::size_t kSmallestKept = 2048;
  /// What held_bytes() counts for a piece, with the owner's own bookkeeping, and for a file, with
  /// what the kernel keeps for an open one.
  static constexpr std::size_t kPieceCost = 128;
  static constexpr std::size_t kFileCost = 1024;

  /// Part of a file that is next to be sent.
  struct FileRange {
    int fd;
    std::uint64_t offset;
    std::uint64_t length;
  };

  explicit SendQueue(BufferPool& pool) : pool_(pool) {}

  // Each appends all or, if memory runs out, nothing and throws.
  void append(std::string_view bytes);
  void append(std::span<const std::string_view> pieces);
  void append(std::string&& bytes);
  void append(std::shared_ptr<const void> owner, std::string_view bytes);
  void append_file(std::shared_ptr<const UniqueFd> file, std::uint64_t offset,
                   std::uint64_t length);

  [[nodiscard]] bool empty() const { return total_bytes() == 0; }
  /// Bytes in memory.
  [[nodiscard]] std::size_t memory_bytes() const { return memory_bytes_; }
  /// Bytes in memory and what keeping them costs: a piece each, the unused part of a block that
  /// was closed early, a file held open. No number of small or empty things is free.
  [[nodiscard]] std::size_t held_bytes() const { return memory_bytes_ + overhead_bytes_; }
  /// Bytes in memory and in files.
  [[nodiscard]] std::uint64_t total_bytes() const { return memory_bytes_ + file_bytes_; }

  /// All that is queued if it lies in one block, otherwise nothing.
  [[nodiscard]] std::string_view only_block() const {
    if (!block_ || !pieces_.empty()) return {};
    return {reinterpret_cast<const char*>(block_.data()) + block_begin_, block_end_ - block_begin_};
  }
  /// Points `vectors` at the bytes at the head, up to the first file; returns how many it used.
  [[nodiscard]] std::size_t gather(std::span<iovec> vectors) const;
  /// Whether the head is a file; then it is `file()`.
  [[nodiscard]] bool file_is_next() const;
  [[nodiscard]] FileRange file() const;
  /// Whether a file waits anywhere in the queue.
  [[nodiscard]] bool has_file() const { return file_bytes_ > 0; }

  /// Drops what was sent from the head: at most what gather() or file() gave. An owner whose bytes
  /// are all sent is let go last, so that its deleter, which is the user's, may append.
  void consume(std::uint64_t count);
  void clear();

  /// The same output for another pool, whose thread need not be this one: what lies in blocks is
  /// copied out of them, the rest moves. This queue is empty then; without memory it is as before.
  [[nodiscard]] std::unique_ptr<SendQueue> move_to(BufferPool& pool);

 private:
  struct FileSource {
    std::shared_ptr<const UniqueFd> file;
    std::uint64_t offset;
  };
  using Source = std::variant<PooledBuffer, std::string, std::shared_ptr<const void>, FileSource>;
  struct Piece {
    Source source;
    const char* data;  // null for a file
    std::uint64_t size;
    std::size_t overhead;
  };

  [[nodiscard]] std::size_t room_in_block() const {
    return block_ ? block_.size() - block_end_ : 0;
  }
  /// Copies what the block has room for.
  void copy(std::string_view bytes);
  void add(Piece&& piece);
  /// Makes place for so many more pieces, so that adding them cannot fail.
  void make_place(std::size_t count = 1);
  /// The block becomes a piece: something that is not copied comes behind it, or it is full.
  void close_block();
  /// Drops sent bytes from the pieces; returns how many belong to the block.
  [[nodiscard]] std::uint64_t consume_pieces(std::uint64_t count);
  /// Lets go of the owners of what was sent.
  void release_sent();

  BufferPool& pool_;
  PooledBuffer block_;
  std::uint32_t block_begin_ = 0;  // of what is queued in it
  std::uint32_t block_end_ = 0;
  std::size_t head_ = 0;      // of the pieces, the first not wholly sent
  std::size_t released_ = 0;  // the pieces before it own nothing any more; at most head_
  std::vector<Piece> pieces_;
  std::size_t memory_bytes_ = 0;
  std::size_t overhead_bytes_ = 0;
  std::uint64_t file_bytes_ = 0;
};

}  // namespace leat::internal
