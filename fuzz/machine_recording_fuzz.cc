// A recording of a machine that somebody has sent.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "leat/host/findings.h"
#include "leat/host/inventory.h"
#include "leat/host/inventory_json.h"
#include "leat/host/setting.h"
#include "leat/sys/replay_machine.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace leat::host;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto machine = leat::sys::ReplayMachine::parse(text);
  if (!machine) return 0;
  const auto inventory = read_inventory(**machine, {.driver_statistics = true});
  if (!inventory) return 0;
  if (inventory_json(*inventory, find_misfits(*inventory)).empty()) std::abort();
  for (const Device& device : inventory->devices) {
    for (const Setting& setting : Setting::all_of(*inventory, device.link.name)) {
      static_cast<void>(setting.write(**machine, setting.read(**machine).value_or("1")));
    }
  }
  return 0;
}
