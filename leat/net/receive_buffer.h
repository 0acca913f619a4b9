// Public: the input of a connection that nobody has consumed yet.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace leat {

/// Contiguous bytes, owned by the library. During on_message they usually lie in the loop's
/// scratch memory, where the kernel put them; only what is left afterwards moves to memory of
/// the connection's own, which an idle connection does not have.
///
///     during the callback                     afterwards, if something is left
///
///     scratch (64 KiB, one a loop)            own memory (as large as needed)
///     +----------+-----------------+          +-----------------+-------+
///     | consumed | view()          |   --->   | view()          | room  |
///     +----------+-----------------+          +-----------------+-------+
///
/// Valid on the connection's loop only. A view() ends with the callback, or at the next consume.
class ReceiveBuffer {
 public:
  ReceiveBuffer() = default;
  ReceiveBuffer(const ReceiveBuffer&) = delete;
  ReceiveBuffer& operator=(const ReceiveBuffer&) = delete;

  [[nodiscard]] std::string_view view() const { return {data_, size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  /// Drops the first `count` bytes (at most size()).
  void consume(std::size_t count);
  void consume_all() { consume(size_); }
  /// Copies the first `count` bytes (at most size()) and drops them.
  [[nodiscard]] std::string take(std::size_t count);
  [[nodiscard]] std::string take_all() { return take(size_); }

  // For the connection.

  /// Shows bytes in memory that is not the buffer's, which must be empty, until keep().
  void borrow(std::string_view bytes);
  /// Moves what is left of borrowed bytes to memory of its own.
  void keep();
  /// Room behind the bytes for reading into, at least `minimum` bytes; then commit() says how
  /// much was read. Not while bytes are borrowed.
  [[nodiscard]] std::span<char> prepare(std::size_t minimum);
  void commit(std::size_t count) { size_ += count; }
  void append(std::string_view bytes);
  struct OwnMemory {
    std::unique_ptr<char[]> memory;
    std::string_view bytes;  ///< In it.
  };
  /// Gives the memory away with what is in it. Only with memory of its own.
  [[nodiscard]] OwnMemory release();
  /// Memory of its own, in bytes.
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

 private:
  void release_memory();

  const char* data_ = nullptr;
  std::size_t size_ = 0;
  std::unique_ptr<char[]> memory_;
  std::size_t capacity_ = 0;
};

}  // namespace leat
