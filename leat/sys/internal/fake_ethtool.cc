// What a driver and the ethtool core do with a change, on a machine kept as JSON.

#include <algorithm>
#include <bit>
#include <cerrno>
#include <set>
#include <vector>

#include "leat/sys/internal/fake_kernel.h"

namespace leat::sys::internal {
namespace {

Error refused(int number, const char* why) {
  return Error::from_errno(number, why);
}

/// Members of an object that end in "-max" bound those without it.
bool is_within(const Json& object, const std::string& name, std::uint64_t value) {
  std::string most = name;
  if (const std::size_t count = most.rfind("-count"); count != std::string::npos) most.erase(count);
  return value <= number_in(object, (most + "-max").c_str(), value);
}

/// An object of a device, null if there is none; adds nothing.
const Json& ethtool_object(const Json& root, const std::string& device, const char* object) {
  static const Json none;
  const Json* place = &root;
  for (const std::string& step :
       {std::string("netlink"), std::string("ethtool"), device, std::string(object)}) {
    const auto at = place->find(step);
    if (!place->is_object() || at == place->end()) return none;
    place = &*at;
  }
  return *place;
}

std::uint64_t highest(const Json& list) {
  std::uint64_t most = 0;
  for (const Json& entry : list) {
    if (entry.is_number_unsigned()) most = std::max(most, entry.get<std::uint64_t>());
  }
  return most;
}

}  // namespace

Result<void> FakeKernel::set_ethtool(const std::string& device, const std::string& object,
                                     const Json& change) {
  Json& devices = root_["netlink"]["ethtool"];
  if (!devices.is_object() || !devices.contains(device)) return refused(ENODEV, "no such device");
  Json& state = devices[device][object];
  if (!state.is_object()) return refused(EOPNOTSUPP, "the driver has no such setting");
  if (const auto error = number_in(state, "error", 0); error != 0) {
    return refused(static_cast<int>(error), "the driver has no such setting");
  }
  if (object == "rings") return set_rings(state, change);
  if (object == "channels") return set_channels(device, state, change);
  if (object == "features") return set_features(state, change);
  if (object == "rss") return set_rss(device, state, change);
  for (const auto& [name, value] : change.items()) {
    // What the driver does not report it does not take (ethtool's supported_coalesce_params).
    if (!state.contains(name)) return refused(EOPNOTSUPP, "the driver does not take this member");
    state[name] = value;
  }
  return {};
}

Result<void> FakeKernel::set_rings(Json& rings, const Json& change) {
  const Json& behaviour = root_["behaviour"];
  const std::uint64_t multiple = number_in(behaviour, "ring_multiple", 1);
  const bool power = behaviour.is_object() && behaviour.value("ring_power_of_two", false);
  Json changed = rings;
  for (const auto& [name, value] : change.items()) {
    std::uint64_t number = value.get<std::uint64_t>();
    if (!is_within(rings, name, number)) return refused(EINVAL, "more than the maximum");
    if (power) number = std::bit_ceil(std::max<std::uint64_t>(number, 1));
    number = (number + multiple - 1) / multiple * multiple;
    changed[name] = number;
  }
  rings = std::move(changed);
  return {};
}

std::uint64_t FakeKernel::receive_queues(const std::string& device) const {
  const Json& channels = ethtool_object(root_, device, "channels");
  return number_in(channels, "combined-count", 0) + number_in(channels, "rx-count", 0);
}

Result<void> FakeKernel::set_channels(const std::string& device, Json& channels,
                                      const Json& change) {
  Json changed = channels;
  for (const auto& [name, value] : change.items()) {
    if (!is_within(channels, name, value.get<std::uint64_t>())) {
      return refused(EINVAL, "more than the maximum");
    }
    changed[name] = value;
  }
  const std::uint64_t receive =
      number_in(changed, "combined-count", 0) + number_in(changed, "rx-count", 0);
  const std::uint64_t transmit =
      number_in(changed, "combined-count", 0) + number_in(changed, "tx-count", 0);
  if (receive == 0 || transmit == 0) return refused(EINVAL, "no queue would be left");
  const Json& rss = ethtool_object(root_, device, "rss");
  if (rss.is_object() && rss.value("user-table", false) && rss.contains("indir") &&
      highest(rss["indir"]) >= receive) {
    return refused(EINVAL, "requested channel counts are too low for the indirection table");
  }
  channels = std::move(changed);
  resize_queues(device, "rx", receive);
  resize_queues(device, "tx", transmit);
  rebuild_table(device, receive);
  return {};
}

void FakeKernel::resize_queues(const std::string& device, const char* kind, std::uint64_t count) {
  const std::string begin = std::string(kNet) + device + "/queues/" + kind + "-";
  const std::string first = begin + "0/";
  std::vector<std::string> names;
  std::vector<std::string> gone;
  for (const auto& [path, value] : files().items()) {
    if (path.starts_with(first)) names.push_back(path.substr(first.size()));
    if (!path.starts_with(begin)) continue;
    if (std::strtoull(path.c_str() + begin.size(), nullptr, 10) >= count) gone.push_back(path);
  }
  for (const std::string& path : gone) files().erase(path);
  for (std::uint64_t queue = 0; queue < count; ++queue) {
    for (const std::string& name : names) {
      const std::string path = begin + std::to_string(queue) + "/" + name;
      if (files().contains(path)) continue;
      // A new queue has no map and no table.
      std::string text = text_in(files(), (first + name).c_str());
      for (char& c : text) c = c == ',' || c == '\n' ? c : '0';
      files()[path] = name == "rps_flow_cnt" ? "0\n" : text;
    }
  }
  if (root_.contains("lists")) root_["lists"].erase(std::string(kNet) + device + "/queues");
}

void FakeKernel::rebuild_table(const std::string& device, std::uint64_t queues) {
  const Json& there = ethtool_object(root_, device, "rss");
  if (!there.is_object() || there.value("user-table", false) || !there.contains("indir")) return;
  Json& rss = root_["netlink"]["ethtool"][device]["rss"];
  std::uint64_t i = 0;
  for (Json& entry : rss["indir"]) entry = i++ % queues;  // ethtool_rxfh_indir_default()
}

Result<void> FakeKernel::set_features(Json& features, const Json& change) {
  const auto names_in = [&](const char* member) {
    std::set<std::string> names;
    const auto at = features.find(member);
    if (at == features.end()) return names;
    for (const Json& name : *at) names.insert(name.get<std::string>());
    return names;
  };
  const auto changeable = names_in("hw");
  auto active = names_in("active");
  const auto wanted = change.find("wanted");
  if (wanted == change.end()) return {};
  for (const Json& item : *wanted) {
    std::string name = item.get<std::string>();
    const bool on = !name.starts_with('-');
    if (!on) name.erase(0, 1);
    if (active.contains(name) == on) continue;
    if (!changeable.contains(name)) return refused(EOPNOTSUPP, "the feature cannot be changed");
    if (on) {
      active.insert(name);
    } else {
      active.erase(name);
    }
  }
  features["active"] = active;
  std::set<std::string> asked_for;
  std::set_intersection(active.begin(), active.end(), changeable.begin(), changeable.end(),
                        std::inserter(asked_for, asked_for.end()));
  features["wanted"] = asked_for;
  return {};
}

Result<void> FakeKernel::set_rss(const std::string& device, Json& rss, const Json& change) {
  if (!rss.contains("indir")) return refused(EOPNOTSUPP, "the device has no indirection table");
  if (const auto table = change.find("indir"); table != change.end()) {
    if (table->empty()) {
      rss["user-table"] = false;
      rebuild_table(device, receive_queues(device));
    } else {
      if (table->size() != rss["indir"].size()) return refused(EINVAL, "a table of another size");
      if (highest(*table) >= receive_queues(device))
        return refused(EINVAL, "there is no such queue");
      rss["indir"] = *table;
      rss["user-table"] = true;
    }
  }
  if (const auto key = change.find("hkey"); key != change.end()) {
    if (text_in(change, "hkey").size() != text_in(rss, "hkey").size()) {
      return refused(EINVAL, "a key of another size");
    }
    rss["hkey"] = *key;
  }
  return {};
}

Result<void> FakeKernel::set_rss_by_ioctl(const std::string& device,
                                          std::span<const std::byte> command) {
  // struct ethtool_rxfh: its third and fourth word are the sizes of table and key.
  constexpr std::size_t kFixedPart = 24;
  constexpr std::uint32_t kUnchanged = 0xffff'ffff;
  if (command.size() < kFixedPart) return refused(EFAULT, "a buffer too small");
  const std::uint32_t entries = read_header<std::uint32_t>(command.subspan(8)).value_or(0);
  const std::uint32_t key_size = read_header<std::uint32_t>(command.subspan(12)).value_or(0);
  auto rest = command.subspan(kFixedPart);
  Json change = Json::object();
  if (entries != kUnchanged) {
    change["indir"] = Json::array();
    for (std::uint32_t i = 0; i < entries; ++i) {
      const auto entry = read_header<std::uint32_t>(rest);
      if (!entry) return refused(EFAULT, "a buffer too small");
      change["indir"].push_back(*entry);
      rest = rest.subspan(sizeof *entry);
    }
  }
  if (key_size > rest.size()) return refused(EFAULT, "a buffer too small");
  if (key_size > 0) change["hkey"] = to_hex(rest.first(key_size));
  Json& devices = root_["netlink"]["ethtool"];
  if (!devices.is_object() || !devices.contains(device)) return refused(ENODEV, "no such device");
  return set_rss(device, devices[device]["rss"], change);
}

Result<void> FakeKernel::set_napi(const Json& change) {
  const std::uint64_t id = number_in(change, "id", 0);
  for (auto& [index, device] : root_["netlink"]["netdev"].items()) {
    if (!device.is_object() || !device.contains("napis")) continue;
    for (Json& napi : device["napis"]) {
      if (number_in(napi, "id", 0) != id) continue;
      for (const auto& [name, value] : change.items()) {
        if (name == "threaded" && value != 0 && value != 1) return refused(ERANGE, "threaded");
        napi[name] = value;
      }
      return {};
    }
  }
  return refused(ENOENT, "no such NAPI");
}

}  // namespace leat::sys::internal
