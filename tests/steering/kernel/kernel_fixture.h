// Internal: a veth between two namespaces, watched, and UDP over it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/cpu_set.h"
#include "leat/base/unique_fd.h"

#include "kernel/steering_watch.h"
#include "veth/veth_world.h"

namespace leat::testing {

/// Skips, with the reason, where the rights, BTF, or a second CPU are missing.
class KernelFixture : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// A UDP socket on lv0, or lv1, at `port` (0: any).
  UniqueFd near_socket(std::uint16_t port) const { return socket(true, port); }
  UniqueFd far_socket(std::uint16_t port) const { return socket(false, port); }
  static bool connect(const UniqueFd& socket, const char* address, std::uint16_t port);
  static std::uint16_t port_of(const UniqueFd& socket);
  /// A datagram that carries `number`.
  static bool send(const UniqueFd& socket, std::uint32_t number);
  static bool send_to(const UniqueFd& socket, const char* address, std::uint16_t port,
                      std::uint32_t number);

  /// What was seen of the `count` datagrams that were sent since the last call. All of them on a
  /// machine at rest; under load the kernel skips a tracing program on a CPU where it is running
  /// already (it was preempted there), so some may be missing: compare those that are there.
  std::vector<steering_event> seen(steering_event_kind kind, std::size_t count);
  /// What seen() passed over since it was cleared: packets of the other kind.
  std::vector<steering_event> others;

  std::unique_ptr<VethWorld> world;
  std::unique_ptr<SteeringWatch> watch;
  /// As the kernel counts them: online, and nr_cpu_ids.
  CpuSet online;
  int cpus = 0;

 private:
  UniqueFd socket(bool near, std::uint16_t port) const;
  CpuSet allowed_;
};

/// The queue whose settings a received packet goes by: the one that was recorded for it, where
/// queue_mapping is 0 for none and otherwise one more. A veth hands on what the sender had.
inline std::size_t receive_queue(const steering_event& event) {
  return event.queue == 0 ? 0 : event.queue - 1;
}

}  // namespace leat::testing
