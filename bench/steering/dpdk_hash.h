// Internal: DPDK's Toeplitz hashes over the tuples of the benchmark.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "tuples.h"

namespace leat::bench {

/// One of DPDK's functions with its key prepared; it was compiled for the CPU of this machine and
/// is inlined into the loops, as in a program over DPDK.
class DpdkHash {
 public:
  virtual ~DpdkHash() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  /// Each tuple by itself; hashes[i] is that of tuple i.
  virtual void each(const Tuples& tuples, std::span<std::uint32_t> hashes) = 0;
  /// Tuple after tuple, the next one chosen by the last hash.
  virtual std::uint32_t chain(const Tuples& tuples) = 0;
  /// All at once; false if there is no such function.
  virtual bool bulk(const Tuples& tuples, std::span<std::uint32_t> hashes) = 0;
};

/// rte_thash_gfni, or nothing if the build or the CPU lacks it. `length` is 12 or 36.
std::unique_ptr<DpdkHash> dpdk_gfni(std::span<const std::uint8_t> key, std::size_t length);
/// rte_softrss_be, the faster of the two without tables; the words of its input and key are turned
/// to host order beforehand.
std::unique_ptr<DpdkHash> dpdk_softrss(std::span<const std::uint8_t> key, const Tuples& tuples);

}  // namespace leat::bench
