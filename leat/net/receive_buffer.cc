#include "leat/net/receive_buffer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "leat/base/assert.h"

namespace leat {

namespace {
constexpr std::size_t kSmallestMemory = 512;
}

void ReceiveBuffer::consume(std::size_t count) {
  LEAT_ASSERT(count <= size_, "more was consumed than there is");
  data_ += count;
  size_ -= count;
  if (size_ == 0) release_memory();
}

std::string ReceiveBuffer::take(std::size_t count) {
  std::string bytes(view().substr(0, count));
  consume(bytes.size());
  return bytes;
}

void ReceiveBuffer::borrow(std::string_view bytes) {
  LEAT_ASSERT(empty(), "bytes were borrowed in front of others");
  data_ = bytes.data();
  size_ = bytes.size();
}

void ReceiveBuffer::keep() {
  if (size_ == 0 || memory_) return;
  const std::string_view borrowed = view();
  data_ = nullptr;
  size_ = 0;
  append(borrowed);
}

std::span<char> ReceiveBuffer::prepare(std::size_t minimum) {
  LEAT_ASSERT(memory_ || size_ == 0, "borrowed bytes were not kept");
  const std::size_t offset = memory_ ? static_cast<std::size_t>(data_ - memory_.get()) : 0;
  if (!memory_ || capacity_ - offset - size_ < minimum) {
    const std::size_t wanted = size_ + minimum;
    if (memory_ && wanted <= capacity_ / 2) {
      // Much is consumed: moving the rest to the front is cheaper than new memory, and happens
      // at most once for each half of the memory consumed.
      std::memmove(memory_.get(), data_, size_);
    } else {
      const std::size_t capacity = std::max(kSmallestMemory, std::bit_ceil(wanted));
      auto memory = std::make_unique_for_overwrite<char[]>(capacity);
      if (size_ > 0) std::memcpy(memory.get(), data_, size_);
      memory_ = std::move(memory);
      capacity_ = capacity;
    }
    data_ = memory_.get();
  }
  char* room = memory_.get() + (data_ - memory_.get()) + size_;
  return {room, static_cast<std::size_t>(memory_.get() + capacity_ - room)};
}

void ReceiveBuffer::append(std::string_view bytes) {
  if (bytes.empty()) return;
  const std::span<char> room = prepare(bytes.size());
  std::memcpy(room.data(), bytes.data(), bytes.size());
  commit(bytes.size());
}

ReceiveBuffer::OwnMemory ReceiveBuffer::release() {
  LEAT_ASSERT(memory_, "borrowed bytes were given away");
  OwnMemory own{std::move(memory_), view()};
  size_ = 0;
  release_memory();
  return own;
}

void ReceiveBuffer::release_memory() {
  data_ = nullptr;
  memory_.reset();
  capacity_ = 0;
}

}  // namespace leat
