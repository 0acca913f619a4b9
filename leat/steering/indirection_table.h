// Public: which queue a card chooses for a hash.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "leat/base/result.h"

namespace leat::steering {

/// The RSS indirection table.
///
///     hash 0x51ccc178            index 120 = 0x51ccc178 mod 128
///          |                       |
///          v                       v
///     [0|1|2|0|1|2| ...           |0| ... |1]     128 entries, each a queue (equal 3)
///
/// The index is the hash modulo the size. With a power of two, which most cards have, these are
/// the hash's low bits (Documentation/networking/scaling.rst); with another size some queues get
/// 2^32 mod size hashes more, in 2^32.
///
/// A value. Queues are not checked against those of a device: only who configures one knows them.
class IndirectionTable {
 public:
  static constexpr std::size_t kMaxSize = 65'536;
  static constexpr std::uint32_t kMaxQueue = 65'535;

  /// What a driver begins with: entry i is i mod `queues` (ethtool_rxfh_indir_default()). More
  /// queues than entries leave the last queues without any.
  [[nodiscard]] static Result<IndirectionTable> standard(std::size_t size, std::uint32_t queues);
  /// `ethtool -X equal N start S`: entry i is S + i mod N. An error if N is 0 or above the size.
  [[nodiscard]] static Result<IndirectionTable> equal(std::size_t size, std::uint32_t queues,
                                                      std::uint32_t start = 0);
  /// `ethtool -X weight w0 w1 ... start S`: blocks, queue S + j gets
  /// size*(w0+...+wj)/sum - size*(w0+...+wj-1)/sum entries, both rounded down. A weight of 0 gives
  /// none, any other at least one. An error if the sum is 0 or above the size.
  [[nodiscard]] static Result<IndirectionTable> weighted(std::size_t size,
                                                         std::span<const std::uint32_t> weights,
                                                         std::uint32_t start = 0);
  /// Any table, such as one that was read from a device. An error if it is empty or too large.
  [[nodiscard]] static Result<IndirectionTable> from_entries(std::span<const std::uint32_t> queues);

  [[nodiscard]] std::uint32_t queue(std::uint32_t hash) const { return entries_[index(hash)]; }
  [[nodiscard]] std::size_t index(std::uint32_t hash) const {
    return mask_ != 0 ? hash & mask_ : hash % static_cast<std::uint32_t>(entries_.size());
  }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] std::span<const std::uint16_t> entries() const { return entries_; }
  /// The highest queue that is named.
  [[nodiscard]] std::uint32_t highest_queue() const;
  /// How many entries each queue has, from 0 to highest_queue().
  [[nodiscard]] std::vector<std::size_t> spread() const;

  friend bool operator==(const IndirectionTable&, const IndirectionTable&) = default;

 private:
  explicit IndirectionTable(std::vector<std::uint16_t> entries)
      : entries_(std::move(entries)),
        mask_(std::has_single_bit(entries_.size()) ? static_cast<std::uint32_t>(entries_.size()) - 1
                                                   : 0) {}

  std::vector<std::uint16_t> entries_;
  std::uint32_t mask_;  ///< The size less one, or 0 if the size is no power of two (or is 1).
};

}  // namespace leat::steering
