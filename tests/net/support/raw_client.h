// Internal: a blocking client made of plain system calls, for talking to a server under test.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "leat/base/unique_fd.h"
#include "leat/net/inet_address.h"

namespace leat::testing {

/// Every read and write gives up after a generous time limit, so that a test fails rather than
/// hangs. Failures other than that are reported by return values.
class RawClient {
 public:
  explicit RawClient(const InetAddress& server, int receive_buffer = 0);
  RawClient(RawClient&&) = default;
  RawClient& operator=(RawClient&&) = default;

  [[nodiscard]] bool connected() const { return static_cast<bool>(fd_); }
  /// Sends all; false if the connection broke.
  bool send(std::string_view bytes);
  /// Reads exactly `count` bytes, or fewer if the peer finished, reset, or was silent too long.
  [[nodiscard]] std::string read(std::size_t count);
  /// Reads until the peer finishes.
  [[nodiscard]] std::string read_to_end();
  /// True if the peer finishes (not: resets) with nothing more to read.
  [[nodiscard]] bool sees_end();
  /// True if the connection ends by a reset (also after data).
  [[nodiscard]] bool sees_reset();
  /// True if something can be read within `limit`.
  [[nodiscard]] bool readable_within(std::chrono::milliseconds limit) const;
  void finish_writing();
  void close() { fd_.reset(); }
  /// Closes so that the peer gets a reset.
  void reset();
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

/// `count` bytes that differ from place to place.
[[nodiscard]] std::string pattern(std::size_t count, unsigned seed = 1);

}  // namespace leat::testing
