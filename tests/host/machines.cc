#include "host/machines.h"

#include <fstream>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace leat::testing {

std::unique_ptr<sys::ReplayMachine> open_machine(const std::string& name) {
  std::ifstream file(fmt::format("{}/{}.json", LEAT_TEST_MACHINES, name));
  EXPECT_TRUE(file.is_open()) << name;
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  auto machine = sys::ReplayMachine::parse(text);
  EXPECT_TRUE(machine) << name << ": " << machine.error().message();
  return *std::move(machine);
}

host::Inventory inventory_of(sys::Machine& machine) {
  auto inventory = host::read_inventory(machine);
  EXPECT_TRUE(inventory) << inventory.error().message();
  return *std::move(inventory);
}

}  // namespace leat::testing
