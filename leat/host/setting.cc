#include "leat/host/setting.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "leat/base/internal/text_cursor.h"
#include "leat/host/internal/setting_value.h"

namespace leat::host {

using leat::internal::quoted;

namespace {

Error no_setting(std::string_view name) {
  return Error::from_errno(ENOENT, "setting " + quoted(name));
}

std::optional<std::string_view> after(std::string_view text, std::string_view begin) {
  if (!text.starts_with(begin)) return std::nullopt;
  return text.substr(begin.size());
}

std::optional<int> number_after(std::string_view text, std::string_view begin) {
  const auto rest = after(text, begin);
  if (!rest) return std::nullopt;
  int number = 0;
  const auto parsed = std::from_chars(rest->data(), rest->data() + rest->size(), number);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == rest->data() + rest->size();
  return whole && number >= 0 ? std::optional(number) : std::nullopt;
}

template <typename Queue>
const Queue* queue_of(const std::vector<Queue>& queues, int index) {
  const auto at = std::find_if(queues.begin(), queues.end(),
                               [&](const Queue& queue) { return queue.index == index; });
  return at == queues.end() ? nullptr : &*at;
}

std::string irq_file(int irq) {
  return fmt::format("/proc/irq/{}/smp_affinity_list", irq);
}

}  // namespace

Setting::Setting(std::string device, std::string name, Place place)
    : device_(std::move(device)), name_(std::move(name)), place_(std::move(place)) {}

std::string Setting::key() const {
  return device_.empty() ? name_ : device_ + " " + name_;
}

Result<Setting> Setting::find(const Inventory& inventory, std::string_view device,
                              std::string_view name) {
  const Device* const found = device.empty() ? nullptr : inventory.find(device);
  if (!device.empty() && found == nullptr) {
    return Error::from_errno(ENODEV, "device " + quoted(device));
  }
  auto place = place_of(inventory, found, name);
  if (!place) return place.error();
  if (found != nullptr && found->sysfs_is_foreign && std::holds_alternative<File>(*place)) {
    return Error::from_errno(EXDEV, fmt::format("{}: /sys shows another network namespace", name));
  }
  return Setting(std::string(device), std::string(name), *std::move(place));
}

Result<Setting::Place> Setting::place_of(const Inventory& inventory, const Device* device,
                                         std::string_view name) {
  if (device != nullptr) {
    auto place = queue_place(*device, name);
    return place ? place : device_place(*device, name);
  }
  if (name == "rfs.entries") {
    return Place(File{"/proc/sys/net/core/rps_sock_flow_entries", Form::kNumber, true});
  }
  if (const auto irq = number_after(name, "irq."))
    return Place(File{irq_file(*irq), Form::kCpuList});
  const auto sysctl = after(name, "sysctl.");
  if (!sysctl || !inventory.sysctls.contains(std::string(*sysctl))) return no_setting(name);
  const bool is_mask = sysctl->ends_with("_bitmap") || sysctl->ends_with("_mask");
  std::string path = "/proc/sys/" + std::string(*sysctl);
  std::replace(path.begin(), path.end(), '.', '/');
  return Place(File{std::move(path), is_mask ? Form::kCpuMask : Form::kText,
                    sysctl->ends_with("rps_sock_flow_entries")});
}

Result<Setting::Place> Setting::queue_place(const Device& device, std::string_view name) {
  const auto file = [&](const char* kind, int index, const char* file_name, Form form,
                        bool rounds) {
    return Place(File{
        fmt::format("/sys/class/net/{}/queues/{}-{}/{}", device.link.name, kind, index, file_name),
        form, rounds});
  };
  if (const auto i = number_after(name, "rps.rx-"); i && queue_of(device.receive_queues, *i)) {
    return file("rx", *i, "rps_cpus", Form::kCpuMask, false);
  }
  if (const auto i = number_after(name, "rfs.rx-"); i && queue_of(device.receive_queues, *i)) {
    return file("rx", *i, "rps_flow_cnt", Form::kNumber, true);
  }
  if (const auto i = number_after(name, "xps.tx-"); i && queue_of(device.transmit_queues, *i)) {
    return file("tx", *i, "xps_cpus", Form::kCpuMask, false);
  }
  if (const auto i = number_after(name, "xps.rxqs.tx-");
      i && queue_of(device.transmit_queues, *i)) {
    return file("tx", *i, "xps_rxqs", Form::kQueueMask, false);
  }
  if (const auto i = number_after(name, "irq.rx-")) {
    const auto* const queue = queue_of(device.receive_queues, *i);
    if (queue != nullptr && queue->irq) return Place(File{irq_file(*queue->irq), Form::kCpuList});
  }
  if (const auto i = number_after(name, "irq.tx-")) {
    const auto* const queue = queue_of(device.transmit_queues, *i);
    if (queue != nullptr && queue->irq) return Place(File{irq_file(*queue->irq), Form::kCpuList});
  }
  return no_setting(name);
}

Result<Setting::Place> Setting::device_place(const Device& device, std::string_view name) {
  if (name == "ring.rx" || name == "ring.tx") {
    return Place(Ethtool{"rings", std::string(name.substr(5))});
  }
  if (name == "channels.combined" || name == "channels.rx" || name == "channels.tx") {
    return Place(Ethtool{"channels", fmt::format("{}-count", name.substr(9))});
  }
  if (const auto member = after(name, "coalesce.")) {
    return Place(Ethtool{"coalesce", std::string(*member)});
  }
  if (name == "ntuple") return Place(Feature{"rx-ntuple-filter"});
  if (const auto feature = after(name, "feature.")) return Place(Feature{std::string(*feature)});
  if (name == "rss.table") {
    return Place(RssTable{static_cast<std::uint32_t>(device.receive_queues.size())});
  }
  if (name == "rss.key") return Place(RssKey{});
  for (const auto& [key, file] : {std::pair("napi.gro-flush-timeout", "gro_flush_timeout"),
                                  std::pair("napi.defer-hard-irqs", "napi_defer_hard_irqs"),
                                  std::pair("napi.threaded", "threaded")}) {
    if (name != key) continue;
    return Place(File{fmt::format("/sys/class/net/{}/{}", device.link.name, file)});
  }
  // "napi.258.threaded"
  const auto rest = after(name, "napi.");
  const std::size_t dot = rest ? rest->find('.') : std::string_view::npos;
  if (dot == std::string_view::npos) return no_setting(name);
  const auto id = number_after(rest->substr(0, dot), "");
  if (!id) return no_setting(name);
  return Place(NapiMember{static_cast<std::uint32_t>(*id), device.link.index,
                          std::string(rest->substr(dot + 1))});
}

Result<std::string> Setting::parse(std::string_view text) const {
  namespace value = internal;
  if (const auto* const file = std::get_if<File>(&place_)) {
    switch (file->form) {
      case Form::kNumber:
        return value::parse_number(text);
      case Form::kCpuList:
      case Form::kCpuMask:
      case Form::kQueueMask:
        return value::parse_set(text);
      case Form::kText:
        return value::parse_words(text);
    }
  }
  if (std::holds_alternative<Feature>(place_)) return value::parse_switch(text);
  if (std::holds_alternative<RssTable>(place_)) return value::parse_table(text);
  if (std::holds_alternative<RssKey>(place_)) return value::parse_key(text);
  return value::parse_number(text);
}

std::string Setting::rounded(std::string_view value) const {
  const auto* const file = std::get_if<File>(&place_);
  if (file == nullptr || !file->rounds) return std::string(value);
  return internal::power_of_two(value);
}

}  // namespace leat::host
