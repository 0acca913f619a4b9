// Public: the secret of a Toeplitz hash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "leat/base/result.h"

namespace leat::steering {

/// A key of `size()` bytes serves inputs of up to `size() - 4` bytes: the shortest key that is
/// accepted is what an IPv6 four-tuple needs. A value; never empty unless moved from.
class ToeplitzKey {
 public:
  static constexpr std::size_t kMinBytes = 40;
  /// As many as the kernel keeps for its devices (netdev_rss_key_fill() knows 52 to 256).
  static constexpr std::size_t kMaxBytes = 256;

  /// An error if there are fewer than kMinBytes or more than kMaxBytes.
  [[nodiscard]] static Result<ToeplitzKey> from_bytes(std::span<const std::uint8_t> bytes);
  /// Reads hexadecimal digits, two a byte, the bytes with or without ':' between them, as
  /// `ethtool -x` prints and `ethtool -X hkey` takes them. An error names the column.
  [[nodiscard]] static Result<ToeplitzKey> parse(std::string_view text);

  /// The 40 bytes of Microsoft's "Verifying the RSS hash calculation". Known to everyone: for
  /// tests and forecasts, not for a machine that strangers send to.
  [[nodiscard]] static ToeplitzKey verification();
  /// 6d5a repeated. Every key with a period of 16 bits gives both directions of a flow one hash,
  /// on every device that takes a key; the hash has only 16 bits of entropy then. `size` must be
  /// even and within the bounds.
  [[nodiscard]] static ToeplitzKey symmetric(std::size_t size = kMinBytes);

  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  /// Whether it has a period of 16 bits.
  [[nodiscard]] bool is_symmetric() const;
  /// "6d:5a:56:...".
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const ToeplitzKey&, const ToeplitzKey&) = default;

 private:
  explicit ToeplitzKey(std::vector<std::uint8_t> bytes) : bytes_(std::move(bytes)) {}

  std::vector<std::uint8_t> bytes_;
};

}  // namespace leat::steering
