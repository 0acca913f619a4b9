#include "leat/sys/internal/ioctl_json.h"

#include <linux/ethtool.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace leat::sys::internal {
namespace {

std::uint32_t command_of(std::span<const std::byte> command) {
  return read_header<std::uint32_t>(command).value_or(0);
}

template <typename T>
bool load(std::span<const std::byte> bytes, T& value) {
  return copy_header(&value, sizeof value, bytes);
}

template <typename T>
void store(std::span<std::byte> bytes, const T& value) {
  std::memcpy(bytes.data(), &value, std::min(sizeof value, bytes.size()));
}

template <std::size_t kSize>
std::string text_of(const char (&text)[kSize]) {
  return std::string(text, ::strnlen(text, kSize));
}

template <std::size_t kSize>
void put_text(const std::string& text, char (&to)[kSize]) {
  std::memcpy(to, text.data(), std::min(text.size(), kSize - 1));
}

void keep_driver(std::span<const std::byte> answer, Json& device) {
  ethtool_drvinfo info{};
  if (!load(answer, info)) return;
  device["driver"] = {{"driver", text_of(info.driver)},
                      {"version", text_of(info.version)},
                      {"firmware", text_of(info.fw_version)},
                      {"bus", text_of(info.bus_info)}};
}

void keep_statistics(std::span<const std::byte> answer, Json& device) {
  Json& place = device["statistics"];
  if (command_of(answer) == ETHTOOL_GSTRINGS) {
    Json names = Json::array();
    for (auto rest = answer.subspan(sizeof(ethtool_gstrings)); rest.size() >= ETH_GSTRING_LEN;
         rest = rest.subspan(ETH_GSTRING_LEN)) {
      const auto* const text = reinterpret_cast<const char*>(rest.data());
      names.push_back(std::string(text, ::strnlen(text, ETH_GSTRING_LEN)));
    }
    place["names"] = std::move(names);
  } else if (command_of(answer) == ETHTOOL_GSTATS) {
    Json values = Json::array();
    for (auto rest = answer.subspan(sizeof(ethtool_stats)); rest.size() >= sizeof(std::uint64_t);
         rest = rest.subspan(sizeof(std::uint64_t))) {
      values.push_back(read_header<std::uint64_t>(rest).value_or(0));
    }
    place["values"] = std::move(values);
  }
}

void keep_ntuple(std::span<const std::byte> answer, Json& device) {
  ethtool_rxnfc command{};
  if (!load(answer, command)) return;
  Json& place = device["ntuple"];
  if (command.cmd == ETHTOOL_GRXCLSRLCNT) {
    place = {{"capacity", command.data & ~RX_CLS_LOC_SPECIAL}, {"rules", Json::object()}};
  } else if (command.cmd == ETHTOOL_GRXCLSRULE) {
    place["rules"][std::to_string(command.fs.location)] =
        to_hex(std::as_bytes(std::span(&command.fs, 1)));
  }
}

Result<void> answer_driver(const Json& object, std::span<std::byte> command) {
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  put_text(text_in(object, "driver"), info.driver);
  put_text(text_in(object, "version"), info.version);
  put_text(text_in(object, "firmware"), info.fw_version);
  put_text(text_in(object, "bus"), info.bus_info);
  store(command, info);
  return {};
}

Result<void> answer_statistics(const Json& object, std::span<std::byte> command) {
  const Json names = object.value("names", Json::array());
  const Json values = object.value("values", Json::array());
  const auto count = static_cast<std::uint32_t>(std::min(names.size(), values.size()));
  if (command_of(command) == ETHTOOL_GSSET_INFO) {
    if (command.size() < sizeof(ethtool_sset_info) + sizeof count) {
      return Error::from_errno(EFAULT, "a buffer too small");
    }
    store(command.subspan(sizeof(ethtool_sset_info)), count);
  } else if (command_of(command) == ETHTOOL_GSTRINGS) {
    auto rest = command.subspan(sizeof(ethtool_gstrings));
    for (std::size_t i = 0; i < count && rest.size() >= ETH_GSTRING_LEN; ++i) {
      char name[ETH_GSTRING_LEN] = {};
      if (names[i].is_string()) put_text(names[i].get<std::string>(), name);
      store(rest, name);
      rest = rest.subspan(ETH_GSTRING_LEN);
    }
  } else {
    auto rest = command.subspan(sizeof(ethtool_stats));
    for (std::size_t i = 0; i < count && rest.size() >= sizeof(std::uint64_t); ++i) {
      store(rest, values[i].is_number_unsigned() ? values[i].get<std::uint64_t>() : 0);
      rest = rest.subspan(sizeof(std::uint64_t));
    }
  }
  return {};
}

void list_rules(const Json& rules, std::span<std::byte> command, ethtool_rxnfc& header) {
  auto rest = command.subspan(offsetof(ethtool_rxnfc, rule_locs));
  header.rule_cnt = 0;
  for (const auto& [location, spec] : rules.items()) {
    if (rest.size() < sizeof(std::uint32_t)) break;
    store(rest, static_cast<std::uint32_t>(std::strtoul(location.c_str(), nullptr, 10)));
    rest = rest.subspan(sizeof(std::uint32_t));
    ++header.rule_cnt;
  }
}

Result<void> answer_ntuple(Json& object, std::span<std::byte> command) {
  ethtool_rxnfc header{};
  if (!load(command, header)) return Error::from_errno(EFAULT, "a buffer too small");
  Json& rules = object["rules"];
  if (rules.is_null()) rules = Json::object();
  const std::string location = std::to_string(header.fs.location);
  switch (header.cmd) {
    case ETHTOOL_GRXCLSRLCNT:
      header.rule_cnt = static_cast<std::uint32_t>(rules.size());
      header.data = number_in(object, "capacity", 0);
      break;
    case ETHTOOL_GRXCLSRLALL:
      list_rules(rules, command, header);
      break;
    case ETHTOOL_GRXCLSRULE: {
      const auto bytes = from_hex(text_in(rules, location.c_str()));
      if (bytes.size() != sizeof header.fs) return Error::from_errno(ENOENT, "filter " + location);
      std::memcpy(static_cast<void*>(&header.fs), bytes.data(), bytes.size());
      break;
    }
    case ETHTOOL_SRXCLSRLINS:
      rules[location] = to_hex(std::as_bytes(std::span(&header.fs, 1)));
      return {};
    case ETHTOOL_SRXCLSRLDEL:
      if (rules.erase(location) == 0) return Error::from_errno(ENOENT, "filter " + location);
      return {};
    default:
      return Error::from_errno(EOPNOTSUPP, "an unknown command");
  }
  // Only the plain members: what follows them is the list of places.
  std::memcpy(command.data(), &header, offsetof(ethtool_rxnfc, rule_locs));
  return {};
}

}  // namespace

std::string ioctl_name(std::span<const std::byte> command) {
  switch (command_of(command)) {
    case ETHTOOL_GDRVINFO:
      return "driver";
    case ETHTOOL_GSSET_INFO:
    case ETHTOOL_GSTRINGS:
    case ETHTOOL_GSTATS:
      return "statistics";
    case ETHTOOL_GRXCLSRLCNT:
    case ETHTOOL_GRXCLSRLALL:
    case ETHTOOL_GRXCLSRULE:
    case ETHTOOL_SRXCLSRLINS:
    case ETHTOOL_SRXCLSRLDEL:
      return "ntuple";
    case ETHTOOL_GRSSH:
    case ETHTOOL_SRSSH:
      return "rss";
    default:
      return {};
  }
}

bool is_writing_ioctl(std::span<const std::byte> command) {
  const std::uint32_t number = command_of(command);
  return number == ETHTOOL_SRXCLSRLINS || number == ETHTOOL_SRXCLSRLDEL || number == ETHTOOL_SRSSH;
}

void keep_ioctl(const std::string& name, std::span<const std::byte> answer, Json& device) {
  if (name == "driver") keep_driver(answer, device);
  if (name == "statistics") keep_statistics(answer, device);
  if (name == "ntuple") keep_ntuple(answer, device);
}

Result<void> answer_ioctl(const std::string& name, Json& device, std::span<std::byte> command) {
  const auto at = device.find(name);
  if (at == device.end()) return Error::from_errno(EOPNOTSUPP, "ethtool " + name);
  if (const auto error = number_in(*at, "error", 0); error != 0) {
    return Error::from_errno(static_cast<int>(error), text_in(*at, "message"));
  }
  if (name == "driver") return answer_driver(*at, command);
  if (name == "statistics") return answer_statistics(*at, command);
  if (name == "ntuple") return answer_ntuple(*at, command);
  return Error::from_errno(EOPNOTSUPP, "ethtool " + name);
}

}  // namespace leat::sys::internal
