// Internal: two network namespaces with a multi-queue veth between them, and its steering settings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "leat/base/cpu_set.h"
#include "leat/base/unique_fd.h"

#include "veth/saved_setting.h"

namespace leat::testing {

/// Made for one test and gone with it, or with the process. The calling thread moves to a mount
/// namespace of its own for good, for sysfs shows the devices of the network namespace that mounted
/// it.
///
///     namespace "near"                        namespace "far"
///     lv0 10.77.0.1  ------- queues -----     lv1 10.77.0.2
///         fd77::1                                 fd77::2
///     settings below are lv0's
///
/// rps_sock_flow_entries, which the whole machine has in common, is put back (SavedSetting).
class VethWorld {
 public:
  static constexpr std::size_t kQueues = 4;
  static constexpr const char* kNearAddress = "10.77.0.1";
  static constexpr const char* kFarAddress = "10.77.0.2";
  static constexpr const char* kNearAddress6 = "fd77::1";
  static constexpr const char* kFarAddress6 = "fd77::2";

  /// nullptr where that is not possible, and then `why` says what is missing.
  static std::unique_ptr<VethWorld> create(std::string& why, std::size_t queues = kQueues);
  ~VethWorld();
  VethWorld(const VethWorld&) = delete;
  VethWorld& operator=(const VethWorld&) = delete;

  /// Runs `work` in a namespace; what it opens stays there.
  void in_near(const std::function<void()>& work) const { in(near_.get(), work); }
  void in_far(const std::function<void()>& work) const { in(far_.get(), work); }

  // Each gives false if the kernel refused.
  bool set_rps_cpus(std::size_t queue, const CpuSet& cpus);
  bool set_rps_flow_count(std::size_t queue, std::size_t entries);
  bool set_xps_cpus(std::size_t queue, const CpuSet& cpus);
  bool set_xps_rxqs(std::size_t queue, const CpuSet& receive_queues);
  bool set_socket_flow_entries(std::size_t entries);
  /// GRO at lv0 and no TSO at lv1: packets then come by NAPI, otherwise by netif_rx().
  bool use_napi();

  [[nodiscard]] std::uint32_t near_inode() const { return near_inode_; }
  [[nodiscard]] std::uint32_t near_device() const { return near_device_; }

 private:
  VethWorld() = default;
  std::string make(std::size_t queues);
  std::string make_devices(std::size_t queues);
  void in(int space, const std::function<void()>& work) const;
  bool set_queue(const char* kind, std::size_t queue, const char* file, const std::string& value);

  UniqueFd home_;
  UniqueFd near_;
  UniqueFd far_;
  bool sees_devices_ = false;
  std::unique_ptr<SavedSetting> socket_flow_entries_;
  std::uint32_t near_inode_ = 0;
  std::uint32_t near_device_ = 0;
};

}  // namespace leat::testing
