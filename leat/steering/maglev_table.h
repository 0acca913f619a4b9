// Public: consistent hashing, so that a change of members moves few flows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "leat/base/result.h"

namespace leat::steering {

/// One to choose from. The id says who it is, whatever its place in the list.
struct MaglevBackend {
  std::uint64_t id = 0;
  /// Its share relative to the others'; 0 gets nothing.
  std::uint32_t weight = 1;
};

/// Eisenbud and others, "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016),
/// section 3.4: each backend prefers the entries in an order of its own (a permutation, from two
/// hashes of its id), and they take turns in taking the next free one. Shares are as even as the
/// turns, and after a change most entries belong to whom they belonged.
///
/// The same ids, weights and size give the same table on every machine, in any order of the list.
/// A value. Choosing reads one entry.
class MaglevTable {
 public:
  static constexpr std::size_t kMaxSize = 1'048'573;  // The largest prime below 2^20.
  /// The paper's small size; a hundred times as many entries as backends keep shares within 1 %.
  static constexpr std::size_t kDefaultSize = 65'537;

  /// An error if the size is no prime or above kMaxSize, if there is no backend with a weight, if
  /// there are more of them than entries, or if two have one id.
  [[nodiscard]] static Result<MaglevTable> create(std::span<const MaglevBackend> backends,
                                                  std::size_t size = kDefaultSize);

  /// The place in the list of backends for a hash, all of whose bits count.
  [[nodiscard]] std::size_t choose(std::uint32_t hash) const {
    return entries_[hash % static_cast<std::uint32_t>(entries_.size())];
  }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  /// For each entry the place in the list of backends.
  [[nodiscard]] std::span<const std::uint32_t> entries() const { return entries_; }

 private:
  explicit MaglevTable(std::vector<std::uint32_t> entries) : entries_(std::move(entries)) {}

  std::vector<std::uint32_t> entries_;
};

}  // namespace leat::steering
