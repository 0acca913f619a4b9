// Internal: what the kernel does with a value that is written, on a machine kept as JSON.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "leat/base/result.h"
#include "leat/sys/internal/attribute_json.h"

namespace leat::sys::internal {

inline constexpr std::string_view kNet = "/sys/class/net/";

/// The rules of a made-up kernel; `root` is the recording, which must outlive it. Its member
/// "behaviour" may have: "housekeeping" (a CPU list), "ring_multiple", "ring_power_of_two",
/// "rss_set" ("netlink", "ioctl", "none"), "managed_irqs" (numbers whose affinity is fixed),
/// "read_only" (beginnings of paths that are mounted so).
class FakeKernel {
 public:
  explicit FakeKernel(Json& root) : root_(root) {}

  /// Stores `text` as the kernel would have it back.
  Result<void> write_file(const std::string& path, std::string_view text);
  /// Changes an ethtool object ("rings" ...) of a device by the members of `change`.
  Result<void> set_ethtool(const std::string& device, const std::string& object,
                           const Json& change);
  Result<void> set_napi(const Json& change);
  /// ETHTOOL_SRSSH as bytes.
  Result<void> set_rss_by_ioctl(const std::string& device, std::span<const std::byte> command);
  void deliver_interrupts();

 private:
  Result<void> write_mask(const std::string& path, std::string_view text, bool housekeeping);
  Result<void> write_rounded(const std::string& path, std::string_view text);
  Result<void> write_number(const std::string& path, std::string_view text);
  Result<void> write_affinity(const std::string& path, std::string_view text);
  Result<void> set_rings(Json& rings, const Json& change);
  Result<void> set_channels(const std::string& device, Json& channels, const Json& change);
  Result<void> set_features(Json& features, const Json& change);
  Result<void> set_rss(const std::string& device, Json& rss, const Json& change);
  void resize_queues(const std::string& device, const char* kind, std::uint64_t count);
  void rebuild_table(const std::string& device, std::uint64_t queues);
  [[nodiscard]] std::uint64_t receive_queues(const std::string& device) const;
  /// Bits of a mask as the kernel prints it: 32 for each started group of CPUs.
  [[nodiscard]] int cpu_count() const;
  [[nodiscard]] Json& files() { return root_["files"]; }

  Json& root_;
};

}  // namespace leat::sys::internal
