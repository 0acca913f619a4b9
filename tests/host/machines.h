// Internal: the recorded and made-up machines of tests/host/machines.
#pragma once

#include <memory>
#include <string>

#include "leat/host/inventory.h"
#include "leat/sys/replay_machine.h"

namespace leat::testing {

/// All of them, by file name without its end.
inline constexpr const char* kMachines[] = {
    "container", "ice", "mlx5", "small_board", "single_queue_vm", "virtio_two_queues"};

/// Fails the test if it cannot be read.
[[nodiscard]] std::unique_ptr<sys::ReplayMachine> open_machine(const std::string& name);
[[nodiscard]] host::Inventory inventory_of(sys::Machine& machine);

}  // namespace leat::testing
