// Internal: reads sockets, their groups and their owners into the inventory.
#pragma once

#include "leat/host/inventory.h"

namespace leat::host::internal {

void read_sockets_into(sys::Machine& machine, const InventoryOptions& options,
                       Inventory& inventory);

}  // namespace leat::host::internal
