// Public: what in an inventory does not fit together, one line each.
#pragma once

#include <string>
#include <vector>

#include "leat/host/inventory.h"

namespace leat::host {

struct Finding {
  enum class Severity {
    kHint,     ///< May be meant; measure before changing it.
    kWarning,  ///< Costs speed or defeats another setting.
    kProblem,  ///< Packets or connections are being lost.
  };

  Severity severity = Severity::kHint;
  std::string rule;     ///< Stable name for programs: "irq-shared-cpu".
  std::string place;    ///< "eth0", "eth0/rx-1", "eth0/tx-0", "cpu/3", "socket/COOKIE", "host".
  std::string text;     ///< One line for people; names are as the kernel gave them: escape it.
  std::string setting;  ///< What would change it (docs/decisions/host.md): "irq.rx-1", or empty.
};

/// Looks at values only: reads no machine. What could not be read gives no finding. In the order of
/// host, CPUs, devices, sockets.
[[nodiscard]] std::vector<Finding> find_misfits(const Inventory& inventory);

/// "hint", "warning", "problem".
[[nodiscard]] const char* to_string(Finding::Severity severity);

}  // namespace leat::host
