// Public: where kernel versions steer differently, each difference as a parameter with a name.
#pragma once

#include <cstdint>

namespace leat::steering {

/// Which slot of a power-of-two table a hash has.
enum class SlotRule : std::uint8_t {
  kMask,    ///< hash & (size - 1): the low bits.
  kHash32,  ///< hash * 0x61c88647 >> (32 - log2(size)): the high bits of a product.
};

/// What aRFS does with a slot of the target queue's flow table that has a filter.
enum class FilterRule : std::uint8_t {
  kOverwrite,             ///< The last flow gets it.
  kDoNotOverwriteActive,  ///< While its flow is active only that flow may move it.
};

/// A filter is active until its CPU has processed so many packets more.
enum class ActiveRule : std::uint8_t {
  kTenTimesMask,  ///< 10 * (table size - 1)
  kTenTimesSize,  ///< 10 * table size
};

/// When a flow may move from one CPU's backlog to another's.
enum class TailRule : std::uint8_t {
  kWhenDrained,  ///< As the kernel: once all that was queued of it has been processed.
  kAtOnce,       ///< Never as the kernel: shows what the rule is for.
};

/// The rules of one kernel. Each was read in that version's net/core/dev.c, or its structures tell.
struct KernelRules {
  SlotRule flow_slot = SlotRule::kHash32;          ///< Of the flow tables of receive queues.
  SlotRule flow_limit_bucket = SlotRule::kHash32;  ///< Of the flow limit's tables.
  FilterRule filter = FilterRule::kDoNotOverwriteActive;
  ActiveRule active = ActiveRule::kTenTimesSize;
  TailRule tail = TailRule::kWhenDrained;

  [[nodiscard]] static constexpr KernelRules linux_6_12() {
    return {SlotRule::kMask, SlotRule::kMask, FilterRule::kOverwrite, ActiveRule::kTenTimesMask,
            TailRule::kWhenDrained};
  }
  [[nodiscard]] static constexpr KernelRules linux_6_18() { return {}; }
};

/// The slot of `hash` in a table of 2^log entries, log 0 to 31.
[[nodiscard]] constexpr std::uint32_t slot_of(SlotRule rule, std::uint32_t hash, unsigned log) {
  if (rule == SlotRule::kMask) return hash & ((std::uint32_t{1} << log) - 1);
  return log == 0 ? 0 : (hash * 0x61c8'8647u) >> (32 - log);
}

}  // namespace leat::steering
