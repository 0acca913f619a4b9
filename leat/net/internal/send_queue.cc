#include "leat/net/internal/send_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "leat/base/assert.h"

namespace leat::internal {

namespace {
// An empty queue keeps room for this many pieces, so that a busy connection does not allocate.
constexpr std::size_t kKeptPieces = 4;
}  // namespace

void SendQueue::append(std::string_view bytes) {
  if (bytes.size() > room_in_block()) {
    if (block_ || bytes.size() > pool_.block_size()) return append(std::span(&bytes, 1));
    block_ = pool_.take();
  }
  copy(bytes);
}

void SendQueue::copy(std::string_view bytes) {
  if (bytes.empty()) return;
  std::memcpy(block_.data() + block_end_, bytes.data(), bytes.size());
  block_end_ += static_cast<std::uint32_t>(bytes.size());
  memory_bytes_ += bytes.size();
}

void SendQueue::append(std::span<const std::string_view> pieces) {
  std::size_t size = 0;
  for (const std::string_view piece : pieces) size += piece.size();
  // All memory first, so that nothing is half done if there is not enough.
  PooledBuffer next;
  std::vector<PooledBuffer> further;
  if (const std::size_t room = room_in_block(); size > room) {
    const std::size_t blocks = (size - room + pool_.block_size() - 1) / pool_.block_size();
    const std::size_t closed = block_ ? blocks : blocks - 1;
    if (closed > 0) make_place(closed);
    next = pool_.take();
    further.reserve(blocks - 1);
    while (further.size() + 1 < blocks) further.push_back(pool_.take());
  }
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      if (room_in_block() == 0) {
        close_block();
        if (!next) {
          next = std::move(further.back());
          further.pop_back();
        }
        block_ = std::move(next);
      }
      const std::size_t count = std::min(piece.size(), room_in_block());
      copy(piece.substr(0, count));
      piece.remove_prefix(count);
    }
  }
}

void SendQueue::append(std::string&& bytes) {
  if (bytes.size() < kSmallestKept) {
    append(std::string_view(bytes));
    return;
  }
  // A string of this size lies on the heap, so its bytes stay where they are when it is moved.
  const char* data = bytes.data();
  const std::size_t size = bytes.size();
  close_block();
  make_place();
  add({.source = std::move(bytes), .data = data, .size = size, .overhead = kPieceCost});
  memory_bytes_ += size;
}

void SendQueue::append(std::shared_ptr<const void> owner, std::string_view bytes) {
  if (bytes.empty()) return;
  close_block();
  make_place();
  add({.source = std::move(owner),
       .data = bytes.data(),
       .size = bytes.size(),
       .overhead = kPieceCost});
  memory_bytes_ += bytes.size();
}

void SendQueue::append_file(std::shared_ptr<const UniqueFd> file, std::uint64_t offset,
                            std::uint64_t length) {
  if (length == 0) return;
  close_block();
  make_place();
  add({.source = FileSource{.file = std::move(file), .offset = offset},
       .data = nullptr,
       .size = length,
       .overhead = kPieceCost + kFileCost});
  file_bytes_ += length;
}

void SendQueue::add(Piece&& piece) {
  overhead_bytes_ += piece.overhead;
  pieces_.push_back(std::move(piece));
}

void SendQueue::make_place(std::size_t count) {
  // A queue that never runs empty must not grow by what it has sent.
  if (released_ > kKeptPieces && released_ * 2 > pieces_.size()) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(released_));
    head_ -= released_;
    released_ = 0;
  }
  const std::size_t needed = pieces_.size() + count;
  if (needed <= pieces_.capacity()) return;
  pieces_.reserve(std::max({kKeptPieces, 2 * pieces_.size(), needed}));
}

void SendQueue::close_block() {
  if (!block_) return;
  make_place();
  const char* data = reinterpret_cast<const char*>(block_.data()) + block_begin_;
  const std::size_t size = block_end_ - block_begin_;
  const std::size_t unused = block_.size() - size;
  add({.source = std::move(block_), .data = data, .size = size, .overhead = kPieceCost + unused});
  block_begin_ = block_end_ = 0;
}

std::size_t SendQueue::gather(std::span<iovec> vectors) const {
  std::size_t count = 0;
  for (std::size_t i = head_; i < pieces_.size() && count < vectors.size(); ++i) {
    const Piece& piece = pieces_[i];
    if (piece.data == nullptr) return count;
    // The kernel only reads what an output vector points at.
    vectors[count++] = {.iov_base = const_cast<char*>(piece.data), .iov_len = piece.size};
  }
  if (block_ && count < vectors.size()) {
    vectors[count++] = {.iov_base = block_.data() + block_begin_,
                        .iov_len = block_end_ - block_begin_};
  }
  return count;
}

bool SendQueue::file_is_next() const {
  return head_ < pieces_.size() && pieces_[head_].data == nullptr;
}

SendQueue::FileRange SendQueue::file() const {
  const Piece& piece = pieces_[head_];
  const auto& source = std::get<FileSource>(piece.source);
  return {.fd = source.file->get(), .offset = source.offset, .length = piece.size};
}

void SendQueue::consume(std::uint64_t count) {
  LEAT_ASSERT(count <= total_bytes(), "more was sent than was queued");
  count = consume_pieces(count);
  if (count > 0) {
    memory_bytes_ -= count;
    block_begin_ += static_cast<std::uint32_t>(count);
    if (block_begin_ == block_end_) {
      block_.reset();
      block_begin_ = block_end_ = 0;
    }
  }
  if (released_ < head_) release_sent();
}

std::uint64_t SendQueue::consume_pieces(std::uint64_t count) {
  while (count > 0 && head_ < pieces_.size()) {
    Piece& piece = pieces_[head_];
    const std::uint64_t part = std::min(count, piece.size);
    if (piece.data == nullptr) {
      std::get<FileSource>(piece.source).offset += part;
      file_bytes_ -= part;
    } else {
      piece.data += part;
      memory_bytes_ -= part;
    }
    piece.size -= part;
    count -= part;
    if (piece.size == 0) ++head_;
  }
  return count;
}

void SendQueue::release_sent() {
  while (released_ < head_) {
    overhead_bytes_ -= pieces_[released_].overhead;
    const Source gone = std::move(pieces_[released_++].source);
  }
  if (head_ < pieces_.size()) return;
  pieces_.clear();
  head_ = released_ = 0;
  if (pieces_.capacity() > kKeptPieces) std::vector<Piece>().swap(pieces_);
}

std::unique_ptr<SendQueue> SendQueue::move_to(BufferPool& pool) {
  auto moved = std::make_unique<SendQueue>(pool);
  close_block();
  std::vector<std::shared_ptr<std::string>> copies;
  for (std::size_t i = head_; i < pieces_.size(); ++i) {
    if (!std::holds_alternative<PooledBuffer>(pieces_[i].source)) continue;
    copies.push_back(std::make_shared<std::string>(pieces_[i].data, pieces_[i].size));
  }
  moved->pieces_.reserve(pieces_.size() - head_);
  auto copy = copies.begin();
  for (std::size_t i = head_; i < pieces_.size(); ++i) {
    Piece& piece = pieces_[i];
    if (std::holds_alternative<PooledBuffer>(piece.source)) {
      piece.data = (*copy)->data();
      piece.source = std::shared_ptr<const void>(std::move(*copy++));
      piece.overhead = kPieceCost;
    }
    moved->add(std::move(piece));
  }
  moved->memory_bytes_ = memory_bytes_;
  moved->file_bytes_ = file_bytes_;
  pieces_.clear();
  clear();
  return moved;
}

void SendQueue::clear() {
  const std::vector<Piece> gone = std::exchange(pieces_, {});
  head_ = released_ = 0;
  block_.reset();
  block_begin_ = block_end_ = 0;
  memory_bytes_ = overhead_bytes_ = 0;
  file_bytes_ = 0;
}

}  // namespace leat::internal
