// Internal: the program's buffers during one call, and how far they are filled or sent.
#pragma once

#include <string.h>
#include <sys/uio.h>

#include <cstddef>

namespace leat::preload {

/// A walk along an iovec array that leaves the array as it is.
class Scatter {
 public:
  Scatter(const iovec* parts, std::size_t count) : parts_(parts), count_(count) {
    for (std::size_t i = 0; i < count; ++i) total_ += parts[i].iov_len;
    skip_empty();
  }
  [[nodiscard]] std::size_t total() const { return total_; }
  [[nodiscard]] std::size_t done() const { return done_; }
  [[nodiscard]] std::size_t left() const { return total_ - done_; }

  /// Fills what is next from `bytes`; advances.
  void put(const char* bytes, std::size_t size) {
    walk(size, [&](char* here, std::size_t n) {
      memcpy(here, bytes, n);
      bytes += n;
    });
  }
  /// Takes what is next into `bytes`; advances.
  void take(char* bytes, std::size_t size) {
    walk(size, [&](const char* here, std::size_t n) {
      memcpy(bytes, here, n);
      bytes += n;
    });
  }
  void advance(std::size_t size) {
    walk(size, [](char*, std::size_t) {});
  }
  /// The next at most `limit` bytes as an array of at most `room` parts: how many.
  std::size_t rest(iovec* to, std::size_t room, std::size_t limit) const {
    std::size_t n = 0;
    std::size_t offset = offset_;
    for (std::size_t i = index_; i < count_ && n < room && limit != 0; ++i) {
      std::size_t size = parts_[i].iov_len - offset;
      if (size > limit) size = limit;
      if (size != 0) to[n++] = {static_cast<char*>(parts_[i].iov_base) + offset, size};
      limit -= size;
      offset = 0;
    }
    return n;
  }

 private:
  void skip_empty() {
    while (index_ < count_ && offset_ == parts_[index_].iov_len) {
      ++index_;
      offset_ = 0;
    }
  }
  template <typename Each>
  void walk(std::size_t size, Each each) {
    done_ += size;
    while (size != 0) {
      const std::size_t here = parts_[index_].iov_len - offset_;
      const std::size_t n = size < here ? size : here;
      each(static_cast<char*>(parts_[index_].iov_base) + offset_, n);
      offset_ += n;
      size -= n;
      skip_empty();
    }
  }

  const iovec* parts_;
  std::size_t count_;
  std::size_t total_ = 0;
  std::size_t done_ = 0;
  std::size_t index_ = 0;
  std::size_t offset_ = 0;
};

}  // namespace leat::preload
