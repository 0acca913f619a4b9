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
  while (!bytes.empty()) {
    std::span<char> room = room_in_last_block();
    if (room.empty()) {
      PooledBuffer block = pool_.take();
      const char* data = reinterpret_cast<const char*>(block.data());
      add({.source = std::move(block), .data = data, .size = 0});
      room = room_in_last_block();
    }
    const std::size_t count = std::min(bytes.size(), room.size());
    std::memcpy(room.data(), bytes.data(), count);
    pieces_.back().size += count;
    memory_bytes_ += count;
    bytes.remove_prefix(count);
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
  add({.source = std::move(bytes), .data = data, .size = size});
  memory_bytes_ += size;
}

void SendQueue::append(std::shared_ptr<const void> owner, std::string_view bytes) {
  if (bytes.empty()) return;
  add({.source = std::move(owner), .data = bytes.data(), .size = bytes.size()});
  memory_bytes_ += bytes.size();
}

void SendQueue::append_file(std::shared_ptr<const UniqueFd> file, std::uint64_t offset,
                            std::uint64_t length) {
  if (length == 0) return;
  add({.source = FileSource{.file = std::move(file), .offset = offset},
       .data = nullptr,
       .size = length});
  file_bytes_ += length;
}

void SendQueue::add(Piece piece) {
  // A queue that never runs empty must not grow by what it has sent.
  if (head_ > kKeptPieces && head_ * 2 > pieces_.size()) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  pieces_.push_back(std::move(piece));
}

std::span<char> SendQueue::room_in_last_block() {
  if (empty()) return {};
  Piece& last = pieces_.back();
  auto* block = std::get_if<PooledBuffer>(&last.source);
  if (block == nullptr) return {};
  char* begin = reinterpret_cast<char*>(block->data());
  const std::size_t used = static_cast<std::size_t>(last.data - begin) + last.size;
  return {begin + used, block->size() - used};
}

std::size_t SendQueue::gather(std::span<iovec> vectors) const {
  std::size_t count = 0;
  for (std::size_t i = head_; i < pieces_.size() && count < vectors.size(); ++i) {
    const Piece& piece = pieces_[i];
    if (piece.data == nullptr) break;
    // The kernel only reads what an output vector points at.
    vectors[count++] = {.iov_base = const_cast<char*>(piece.data), .iov_len = piece.size};
  }
  return count;
}

bool SendQueue::file_is_next() const { return !empty() && pieces_[head_].data == nullptr; }

SendQueue::FileRange SendQueue::file() const {
  const Piece& piece = pieces_[head_];
  const auto& source = std::get<FileSource>(piece.source);
  return {.fd = source.file->get(), .offset = source.offset, .length = piece.size};
}

void SendQueue::consume(std::uint64_t count) {
  while (count > 0) {
    LEAT_ASSERT(!empty(), "more was sent than was queued");
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
    if (piece.size == 0) {
      piece.source = Source();
      ++head_;
    }
  }
  if (!empty()) return;
  pieces_.clear();
  head_ = 0;
  if (pieces_.capacity() > kKeptPieces) std::vector<Piece>().swap(pieces_);
}

void SendQueue::clear() {
  std::vector<Piece>().swap(pieces_);
  head_ = 0;
  memory_bytes_ = 0;
  file_bytes_ = 0;
}

}  // namespace leat::internal
