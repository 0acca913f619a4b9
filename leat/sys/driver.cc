#include "leat/sys/driver.h"

#include <linux/ethtool.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

namespace leat::sys {
namespace {

/// More than any driver has; one that says otherwise is not believed.
constexpr std::uint32_t kMostStrings = 1U << 16;
constexpr std::uint32_t kMostFilters = 1U << 20;

template <typename T>
std::span<std::byte> bytes_of(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

template <std::size_t kSize>
std::string text_of(const char (&text)[kSize]) {
  return std::string(text, ::strnlen(text, kSize));
}

/// A command with a header `Header` and `extra` bytes after it.
template <typename Header>
Result<std::vector<std::byte>> ask(Machine& machine, const std::string& device,
                                   const Header& header, std::size_t extra) {
  std::vector<std::byte> buffer(sizeof header + extra);
  std::memcpy(buffer.data(), &header, sizeof header);
  if (const auto done = machine.ethtool(device, buffer); !done) return done.error();
  return buffer;
}

Result<std::uint32_t> count_of_statistics(Machine& machine, const std::string& device) {
  ethtool_sset_info request{};
  request.cmd = ETHTOOL_GSSET_INFO;
  request.sset_mask = std::uint64_t{1} << ETH_SS_STATS;
  const auto answer = ask(machine, device, request, sizeof(std::uint32_t));
  if (!answer) return answer.error();
  std::uint32_t count = 0;
  std::memcpy(&count, answer->data() + sizeof request, sizeof count);
  std::memcpy(static_cast<void*>(&request), answer->data(), sizeof request);
  if (request.sset_mask == 0) return 0U;
  if (count > kMostStrings) return Error::from_errno(EBADMSG, "statistics of " + device);
  return count;
}

}  // namespace

Result<DriverInfo> read_driver(Machine& machine, const std::string& device) {
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  if (const auto done = machine.ethtool(device, bytes_of(info)); !done) return done.error();
  return DriverInfo{.driver = text_of(info.driver),
                    .version = text_of(info.version),
                    .firmware = text_of(info.fw_version),
                    .bus = text_of(info.bus_info)};
}

Result<NamedNumbers> read_driver_statistics(Machine& machine, const std::string& device) {
  const auto count = count_of_statistics(machine, device);
  if (!count) return count.error();
  if (*count == 0) {
    return Error::from_errno(EOPNOTSUPP, "the driver of " + device + " keeps no statistics");
  }
  ethtool_gstrings names_request{};
  names_request.cmd = ETHTOOL_GSTRINGS;
  names_request.string_set = ETH_SS_STATS;
  names_request.len = *count;
  const auto names = ask(machine, device, names_request, std::size_t{*count} * ETH_GSTRING_LEN);
  if (!names) return names.error();
  ethtool_stats values_request{};
  values_request.cmd = ETHTOOL_GSTATS;
  values_request.n_stats = *count;
  const auto values =
      ask(machine, device, values_request, std::size_t{*count} * sizeof(std::uint64_t));
  if (!values) return values.error();
  NamedNumbers list;
  for (std::size_t i = 0; i < *count; ++i) {
    const auto* const name =
        reinterpret_cast<const char*>(names->data()) + sizeof names_request + i * ETH_GSTRING_LEN;
    std::uint64_t value = 0;
    std::memcpy(&value, values->data() + sizeof values_request + i * sizeof value, sizeof value);
    list.push_back({std::string(name, ::strnlen(name, ETH_GSTRING_LEN)), value});
  }
  return list;
}

Result<NtupleFilters> read_ntuple_filters(Machine& machine, const std::string& device) {
  ethtool_rxnfc count{};
  count.cmd = ETHTOOL_GRXCLSRLCNT;
  if (const auto done = machine.ethtool(device, bytes_of(count)); !done) return done.error();
  NtupleFilters filters;
  filters.capacity = static_cast<std::uint32_t>(count.data & ~RX_CLS_LOC_SPECIAL);
  if (count.rule_cnt == 0) return filters;
  if (count.rule_cnt > kMostFilters) return Error::from_errno(EBADMSG, "filters of " + device);
  ethtool_rxnfc all{};
  all.cmd = ETHTOOL_GRXCLSRLALL;
  all.rule_cnt = count.rule_cnt;
  const auto places = ask(machine, device, all, count.rule_cnt * sizeof(std::uint32_t));
  if (!places) return places.error();
  std::memcpy(static_cast<void*>(&all), places->data(), sizeof all);
  for (std::size_t i = 0; i < std::min(all.rule_cnt, count.rule_cnt); ++i) {
    ethtool_rxnfc rule{};
    rule.cmd = ETHTOOL_GRXCLSRULE;
    std::memcpy(&rule.fs.location,
                places->data() + offsetof(ethtool_rxnfc, rule_locs) + i * sizeof(std::uint32_t),
                sizeof(std::uint32_t));
    if (const auto done = machine.ethtool(device, bytes_of(rule)); !done) {
      if (done.error().number() == ENOENT) continue;  // Deleted meanwhile.
      return done.error();
    }
    NtupleFilter filter;
    filter.location = rule.fs.location;
    filter.flow_type = rule.fs.flow_type;
    if (rule.fs.ring_cookie != RX_CLS_FLOW_DISC) {
      filter.queue = static_cast<std::uint32_t>(rule.fs.ring_cookie);
    }
    const auto spec = std::as_bytes(std::span(&rule.fs, 1));
    filter.spec.assign(spec.begin(), spec.end());
    filters.rules.push_back(std::move(filter));
  }
  return filters;
}

Result<void> insert_ntuple_filter(Machine& machine, const std::string& device,
                                  const NtupleFilter& filter) {
  ethtool_rxnfc rule{};
  rule.cmd = ETHTOOL_SRXCLSRLINS;
  if (filter.spec.size() != sizeof rule.fs) {
    return Error::invalid_argument("an ntuple filter whose description is cut off");
  }
  std::memcpy(static_cast<void*>(&rule.fs), filter.spec.data(), sizeof rule.fs);
  return machine.ethtool(device, bytes_of(rule));
}

Result<void> delete_ntuple_filter(Machine& machine, const std::string& device,
                                  std::uint32_t location) {
  ethtool_rxnfc rule{};
  rule.cmd = ETHTOOL_SRXCLSRLDEL;
  rule.fs.location = location;
  return machine.ethtool(device, bytes_of(rule));
}

}  // namespace leat::sys
