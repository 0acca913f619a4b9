// How each kind of setting is read and written.

#include <algorithm>
#include <cerrno>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "leat/base/internal/text_cursor.h"
#include "leat/host/internal/setting_value.h"
#include "leat/host/setting.h"

namespace leat::host {

namespace value = internal;

namespace {

Error none(const std::string& what) {
  return Error::from_errno(EOPNOTSUPP, what);
}

Result<std::string> number_text(const std::optional<std::uint32_t>& number,
                                const std::string& what) {
  if (!number) return none(what);
  return fmt::to_string(*number);
}

Result<std::string> read_ethtool(sys::Machine& machine, const std::string& device,
                                 const std::string& object, const std::string& member) {
  const std::string what = object + " of " + device + ": " + member;
  if (object == "rings") {
    const auto rings = sys::read_rings(machine, device);
    if (!rings) return rings.error();
    return number_text(member == "rx" ? rings->rx : rings->tx, what);
  }
  if (object == "channels") {
    const auto channels = sys::read_channels(machine, device);
    if (!channels) return channels.error();
    return number_text(member == "combined-count" ? channels->combined
                       : member == "rx-count"     ? channels->rx
                                                  : channels->tx,
                       what);
  }
  const auto coalesce = sys::read_coalesce(machine, device);
  if (!coalesce) return coalesce.error();
  const auto number = sys::find_number(*coalesce, member);
  if (!number) return none(what);
  return fmt::to_string(*number);
}

Result<std::string> read_feature(sys::Machine& machine, const std::string& device,
                                 const std::string& name) {
  const auto features = sys::read_features(machine, device);
  if (!features) return features.error();
  const auto at = std::find_if(features->begin(), features->end(),
                               [&](const sys::Feature& feature) { return feature.name == name; });
  if (at == features->end()) return none("feature " + name + " of " + device);
  return std::string(at->active ? "on" : "off");
}

/// "default" where it is what the driver would make itself: whether a user has set it the kernel
/// does not tell.
Result<std::string> read_table(sys::Machine& machine, const std::string& device,
                               std::uint32_t queues) {
  const auto rss = sys::read_rss(machine, device);
  if (!rss) return rss.error();
  if (rss->table.empty()) return none("indirection table of " + device);
  bool is_default = queues > 0;
  for (std::uint32_t i = 0; i < rss->table.size() && is_default; ++i) {
    is_default = rss->table[i] == i % queues;
  }
  return is_default ? "default" : value::table_text(rss->table);
}

Result<std::string> read_key(sys::Machine& machine, const std::string& device) {
  const auto rss = sys::read_rss(machine, device);
  if (!rss) return rss.error();
  if (rss->key.empty()) return none("RSS key of " + device);
  return value::key_text(rss->key);
}

Result<std::string> read_napi(sys::Machine& machine, int index, std::uint32_t id,
                              const std::string& member) {
  const auto napis = sys::read_napis(machine, index);
  if (!napis) return napis.error();
  const std::string what = fmt::format("napi {}: {}", id, member);
  for (const sys::Napi& napi : *napis) {
    if (napi.id != id) continue;
    if (member == "defer-hard-irqs") return number_text(napi.defer_hard_irqs, what);
    if (member == "threaded") return number_text(napi.threaded, what);
    const auto& time =
        member == "gro-flush-timeout" ? napi.gro_flush_timeout : napi.irq_suspend_timeout;
    if (!time) return none(what);
    return fmt::to_string(*time);
  }
  return Error::from_errno(ENOENT, what);
}

}  // namespace

Result<std::string> Setting::read(sys::Machine& machine) const {
  return std::visit(
      [&](const auto& place) -> Result<std::string> {
        using T = std::decay_t<decltype(place)>;
        if constexpr (std::is_same_v<T, File>) {
          const auto text = sys::read_line(machine, place.path);
          if (!text) return text.error();
          if (place.form == Form::kNumber) return value::parse_number(*text);
          if (place.form == Form::kText) return value::parse_words(*text);
          if (place.form == Form::kCpuList) return value::parse_set(*text);
          const auto set = CpuSet::parse_mask(*text);
          if (!set) return set.error();
          return value::set_text(*set);
        } else if constexpr (std::is_same_v<T, Ethtool>) {
          return read_ethtool(machine, device_, place.object, place.member);
        } else if constexpr (std::is_same_v<T, Feature>) {
          return read_feature(machine, device_, place.name);
        } else if constexpr (std::is_same_v<T, RssTable>) {
          return read_table(machine, device_, place.queues);
        } else if constexpr (std::is_same_v<T, RssKey>) {
          return read_key(machine, device_);
        } else {
          return read_napi(machine, place.index, place.id, place.member);
        }
      },
      place_);
}

namespace {

Result<void> write_ethtool(sys::Machine& machine, const std::string& device,
                           const std::string& object, const sys::NamedNumbers& change) {
  if (object == "rings") return sys::set_rings(machine, device, change);
  if (object == "channels") return sys::set_channels(machine, device, change);
  return sys::set_coalesce(machine, device, change);
}

}  // namespace

Result<void> Setting::write(sys::Machine& machine, std::string_view text) const {
  return std::visit(
      [&](const auto& place) -> Result<void> {
        using T = std::decay_t<decltype(place)>;
        if constexpr (std::is_same_v<T, File>) {
          if (place.form == Form::kNumber || place.form == Form::kText) {
            return machine.write_file(place.path, text);
          }
          const auto set = value::set_of(text);
          if (!set) return set.error();
          return machine.write_file(place.path,
                                    place.form == Form::kCpuList ? set->to_list() : set->to_mask());
        } else if constexpr (std::is_same_v<T, Feature>) {
          return sys::set_feature(machine, device_, place.name, text == "on");
        } else if constexpr (std::is_same_v<T, RssTable>) {
          const auto table = value::table_of(text);
          if (!table) return table.error();
          return sys::set_rss(machine, device_, {.table = *table, .key = {}});
        } else if constexpr (std::is_same_v<T, RssKey>) {
          const auto key = value::key_of(text);
          if (!key) return key.error();
          return sys::set_rss(machine, device_, {.table = {}, .key = *key});
        } else {
          const auto number = value::number_of(text);
          if (!number) return number.error();
          if constexpr (std::is_same_v<T, Ethtool>) {
            return write_ethtool(machine, device_, place.object, {{place.member, *number}});
          } else {
            return sys::set_napi(machine, place.id, {{place.member, *number}});
          }
        }
      },
      place_);
}

}  // namespace leat::host
