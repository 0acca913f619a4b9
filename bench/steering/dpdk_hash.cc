#include "dpdk_hash.h"

#include <arpa/inet.h>
#include <rte_config.h>
#include <rte_thash.h>

#include <cstring>
#include <memory>

namespace leat::bench {
namespace {

/// The loops; `Derived::hash(i)` hashes tuple i.
template <typename Derived>
class Loops : public DpdkHash {
 public:
  void each(const Tuples& tuples, std::span<std::uint32_t> hashes) override {
    for (std::size_t i = 0; i < Tuples::kCount; ++i) hashes[i] = self().hash(tuples, i);
  }
  std::uint32_t chain(const Tuples& tuples) override {
    std::uint32_t hash = 0;
    for (std::size_t n = 0, i = 0; n < Tuples::kCount; ++n) {
      hash = self().hash(tuples, i);
      i = Tuples::next(i, hash);
    }
    return hash;
  }
  bool bulk(const Tuples&, std::span<std::uint32_t>) override { return false; }

 private:
  Derived& self() { return static_cast<Derived&>(*this); }
};

#ifdef RTE_THASH_GFNI_DEFINED
template <int Length>  // Known while compiling, as with Leat.
class Gfni final : public Loops<Gfni<Length>> {
 public:
  explicit Gfni(std::span<const std::uint8_t> key) {
    rte_thash_complete_matrix(matrices_.data(), key.data(), static_cast<int>(key.size()));
  }
  std::string name() const override { return "DPDK gfni"; }
  std::uint32_t hash(const Tuples& tuples, std::size_t i) const {
    return rte_thash_gfni(matrices_.data(), tuples.slots[i].bytes.data(), Length);
  }
  bool bulk(const Tuples& tuples, std::span<std::uint32_t> hashes) override {
    // It takes them without const, and does not write.
    auto* inputs = const_cast<std::uint8_t**>(tuples.pointers.data());
    rte_thash_gfni_bulk(matrices_.data(), Length, inputs, hashes.data(),
                        static_cast<std::uint32_t>(hashes.size()));
    return true;
  }

 private:
  alignas(64) std::array<std::uint64_t, 40> matrices_;
};
#endif

class Softrss final : public Loops<Softrss> {
 public:
  Softrss(std::span<const std::uint8_t> key, const Tuples& tuples) : key_(key.size() / 4) {
    std::vector<std::uint32_t> original(key_.size());
    std::memcpy(original.data(), key.data(), 4 * key_.size());
    rte_convert_rss_key(original.data(), key_.data(), static_cast<int>(key.size()));
    for (const Tuples::Slot& slot : tuples.slots) {
      std::array<std::uint32_t, 9>& words = inputs_.emplace_back();
      std::memcpy(words.data(), slot.bytes.data(), sizeof words);
      for (std::uint32_t& word : words) word = ntohl(word);
    }
  }
  std::string name() const override { return "DPDK softrss"; }
  std::uint32_t hash(const Tuples& tuples, std::size_t i) {
    return rte_softrss_be(inputs_[i].data(), static_cast<std::uint32_t>(tuples.length / 4),
                          reinterpret_cast<const std::uint8_t*>(key_.data()));
  }

 private:
  std::vector<std::uint32_t> key_;
  std::vector<std::array<std::uint32_t, 9>> inputs_;
};

}  // namespace

std::unique_ptr<DpdkHash> dpdk_gfni([[maybe_unused]] std::span<const std::uint8_t> key,
                                    [[maybe_unused]] std::size_t length) {
#ifdef RTE_THASH_GFNI_DEFINED
  // rte_thash_gfni_supported() also asks the EAL, which is not running, for leave to use 512 bits.
  if (__builtin_cpu_supports("gfni") && __builtin_cpu_supports("avx512vbmi")) {
    if (length == 12) return std::make_unique<Gfni<12>>(key);
    return std::make_unique<Gfni<36>>(key);
  }
#endif
  return nullptr;
}

std::unique_ptr<DpdkHash> dpdk_softrss(std::span<const std::uint8_t> key, const Tuples& tuples) {
  return std::make_unique<Softrss>(key, tuples);
}

}  // namespace leat::bench
