// Public: queues, NAPI instances and per-queue statistics, by the netlink family "netdev".
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "leat/base/result.h"
#include "leat/sys/machine.h"
#include "leat/sys/named_number.h"

namespace leat::sys {

enum class QueueDirection { kReceive, kTransmit };

struct NetdevQueue {
  std::uint32_t id = 0;
  QueueDirection direction = QueueDirection::kReceive;
  std::optional<std::uint32_t> napi_id;  ///< Absent where the driver does not tell.
};

/// One poll routine of a driver and the interrupt that starts it.
struct Napi {
  std::uint32_t id = 0;
  std::optional<int> irq;  ///< Absent where the driver does not tell.
  std::optional<int> pid;  ///< Of its kernel thread, if it is threaded.
  std::optional<std::uint32_t> defer_hard_irqs;
  std::optional<std::uint64_t> gro_flush_timeout;    ///< ns
  std::optional<std::uint64_t> irq_suspend_timeout;  ///< ns
  std::optional<std::uint32_t> threaded;             ///< 0 no, 1 yes, 2 busy polling
};

struct QueueStatistics {
  std::uint32_t id = 0;
  QueueDirection direction = QueueDirection::kReceive;
  NamedNumbers numbers;  ///< By the names of netdev's specification: "rx-packets" ...
};

// `index` is the device's. EOPNOTSUPP where the kernel is too old (6.8; statistics 6.9).

[[nodiscard]] Result<std::vector<NetdevQueue>> read_queues(Machine& machine, int index);
[[nodiscard]] Result<std::vector<Napi>> read_napis(Machine& machine, int index);
/// Empty where the driver keeps none.
[[nodiscard]] Result<std::vector<QueueStatistics>> read_queue_statistics(Machine& machine,
                                                                         int index);

/// {"defer-hard-irqs", 2}, {"gro-flush-timeout", 200000}, {"irq-suspend-timeout", 0},
/// {"threaded", 1}; needs CAP_NET_ADMIN and Linux 6.13.
Result<void> set_napi(Machine& machine, std::uint32_t id, const NamedNumbers& values);

}  // namespace leat::sys
