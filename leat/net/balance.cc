#include "leat/net/balance.h"

#include <array>

namespace leat {

namespace {

struct NamedBalance {
  Balance balance;
  std::string_view name;
};
constexpr std::array<NamedBalance, 7> kBalances{{
    {Balance::kRoundRobin, "round_robin"},
    {Balance::kKernelHash, "kernel_hash"},
    {Balance::kShared, "shared"},
    {Balance::kIncomingCpu, "incoming_cpu"},
    {Balance::kLeastConnections, "least_connections"},
    {Balance::kConsistentHash, "consistent_hash"},
    {Balance::kStandby, "standby"},
}};

}  // namespace

std::string_view to_string(Balance balance) {
  for (const NamedBalance& known : kBalances) {
    if (known.balance == balance) return known.name;
  }
  return "unknown";
}

Result<Balance> parse_balance(std::string_view name) {
  std::string names;
  for (const NamedBalance& known : kBalances) {
    if (known.name == name) return known.balance;
    names.append(names.empty() ? "" : ", ").append(known.name);
  }
  std::string what("balance '");
  what.append(name).append("' is none of ").append(names);
  return Error::invalid_argument(std::move(what));
}

}  // namespace leat
