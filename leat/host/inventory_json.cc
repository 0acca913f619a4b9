#include "leat/host/inventory_json.h"

#include <iterator>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "leat/host/virtio_features.h"

namespace leat::host {
namespace {

using Json = nlohmann::ordered_json;

const char* kind_text(sys::Unreadable::Kind kind) {
  switch (kind) {
    case sys::Unreadable::Kind::kNotAsked:
      return "not-asked";
    case sys::Unreadable::Kind::kNotOffered:
      return "not-offered";
    case sys::Unreadable::Kind::kDenied:
      return "denied";
    case sys::Unreadable::Kind::kGone:
      return "gone";
    case sys::Unreadable::Kind::kFailed:
      return "failed";
  }
  return "failed";
}

Json to_json(const sys::Unreadable& unreadable) {
  if (unreadable.kind == sys::Unreadable::Kind::kNotAsked) return Json();
  Json json{{"unreadable", kind_text(unreadable.kind)}, {"why", unreadable.why}};
  if (!unreadable.right.empty()) json["right"] = unreadable.right;
  return json;
}

template <typename T, typename Function>
Json to_json(const Reading<T>& reading, Function value) {
  return reading ? Json(value(*reading)) : to_json(reading.unreadable());
}

template <typename T>
Json plain(const Reading<T>& reading) {
  return to_json(reading, [](const T& value) { return value; });
}

Json cpus(const Reading<CpuSet>& reading) {
  return to_json(reading, [](const CpuSet& set) { return set.to_list(); });
}

template <typename T>
Json optional(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json numbers(const sys::NamedNumbers& list) {
  Json json = Json::object();
  for (const sys::NamedNumber& number : list) json[number.name] = number.value;
  return json;
}

Json rings(const sys::Rings& rings) {
  return {{"rx", optional(rings.rx)},
          {"rx_max", optional(rings.rx_max)},
          {"tx", optional(rings.tx)},
          {"tx_max", optional(rings.tx_max)}};
}

Json channels(const sys::Channels& channels) {
  return {{"rx", optional(channels.rx)},
          {"rx_max", optional(channels.rx_max)},
          {"tx", optional(channels.tx)},
          {"tx_max", optional(channels.tx_max)},
          {"combined", optional(channels.combined)},
          {"combined_max", optional(channels.combined_max)}};
}

Json features(const std::vector<sys::Feature>& features) {
  Json json = Json::object();
  for (const sys::Feature& feature : features) {
    json[feature.name] = {
        {"active", feature.active}, {"wanted", feature.wanted}, {"changeable", feature.changeable}};
  }
  return json;
}

Json rss(const sys::Rss& rss) {
  return {{"function", rss.function},
          {"table", rss.table},
          {"key", rss.key},
          {"transform", rss.transform}};
}

Json ntuple(const sys::NtupleFilters& filters) {
  Json rules = Json::array();
  for (const sys::NtupleFilter& rule : filters.rules) {
    rules.push_back({{"location", rule.location},
                     {"flow_type", rule.flow_type},
                     {"queue", optional(rule.queue)}});
  }
  return {{"capacity", filters.capacity}, {"rules", std::move(rules)}};
}

Json virtio(const std::vector<int>& bits) {
  Json json = Json::array();
  for (const int bit : bits) json.push_back({{"bit", bit}, {"name", virtio_feature_name(bit)}});
  return json;
}

Json napis(const std::vector<sys::Napi>& napis) {
  Json json = Json::array();
  for (const sys::Napi& napi : napis) {
    json.push_back({{"id", napi.id},
                    {"irq", optional(napi.irq)},
                    {"pid", optional(napi.pid)},
                    {"defer_hard_irqs", optional(napi.defer_hard_irqs)},
                    {"gro_flush_timeout_ns", optional(napi.gro_flush_timeout)},
                    {"irq_suspend_timeout_ns", optional(napi.irq_suspend_timeout)},
                    {"threaded", optional(napi.threaded)}});
  }
  return json;
}

Json interrupts(const Device& device) {
  Json json = Json::array();
  for (const auto& [number, interrupt] : device.interrupts) {
    json.push_back({{"irq", number},
                    {"action", interrupt.action},
                    {"asked", cpus(interrupt.asked)},
                    {"effective", cpus(interrupt.effective)},
                    {"counts", interrupt.counts}});
  }
  return json;
}

Json receive_queues(const Device& device) {
  Json json = Json::array();
  for (const ReceiveQueue& queue : device.receive_queues) {
    json.push_back({{"index", queue.index},
                    {"irq", optional(queue.irq)},
                    {"napi", optional(queue.napi)},
                    {"rps_cpus", cpus(queue.rps_cpus)},
                    {"rps_flow_cnt", plain(queue.rps_flow_count)},
                    {"statistics", numbers(queue.statistics)}});
  }
  return json;
}

Json transmit_queues(const Device& device) {
  Json json = Json::array();
  for (const TransmitQueue& queue : device.transmit_queues) {
    json.push_back({{"index", queue.index},
                    {"irq", optional(queue.irq)},
                    {"napi", optional(queue.napi)},
                    {"xps_cpus", cpus(queue.xps_cpus)},
                    {"xps_rxqs", cpus(queue.xps_rxqs)},
                    {"statistics", numbers(queue.statistics)}});
  }
  return json;
}

Json device_json(const Device& device) {
  const sys::Link& link = device.link;
  Json json{{"name", link.name},
            {"index", link.index},
            {"kind", link.kind},
            {"up", device.is_up()},
            {"mtu", optional(link.mtu)},
            {"parent", link.parent},
            {"addresses", link.addresses},
            {"xdp", optional(link.xdp)},
            {"statistics", numbers(link.statistics)}};
  json["driver"] = to_json(device.driver, [](const sys::DriverInfo& info) {
    return Json{{"name", info.driver},
                {"version", info.version},
                {"firmware", info.firmware},
                {"bus", info.bus}};
  });
  json["numa_node"] = plain(device.numa_node);
  json["rings"] = to_json(device.rings, rings);
  json["channels"] = to_json(device.channels, channels);
  json["coalesce"] = to_json(device.coalesce, numbers);
  json["features"] = to_json(device.features, features);
  json["rss"] = to_json(device.rss, rss);
  json["ntuple"] = to_json(device.ntuple, ntuple);
  json["virtio_features"] = to_json(device.virtio_features, virtio);
  json["gro_flush_timeout_ns"] = plain(device.gro_flush_timeout);
  json["defer_hard_irqs"] = plain(device.defer_hard_irqs);
  json["threaded"] = plain(device.threaded);
  json["receive_queues"] = receive_queues(device);
  json["transmit_queues"] = transmit_queues(device);
  json["interrupts"] = interrupts(device);
  json["napis"] = to_json(device.napis, napis);
  json["driver_statistics"] = to_json(device.driver_statistics, numbers);
  return json;
}

Json work_json(const std::vector<CpuWork>& list) {
  Json json = Json::array();
  for (const CpuWork& work : list) {
    json.push_back({{"cpu", work.cpu},
                    {"processed", work.processed},
                    {"dropped", work.dropped},
                    {"squeezed", work.squeezed},
                    {"received_rps", optional(work.received_rps)},
                    {"flow_limit", optional(work.flow_limit)},
                    {"backlog", optional(work.input_queue)},
                    {"net_rx", optional(work.net_rx)},
                    {"net_tx", optional(work.net_tx)}});
  }
  return json;
}

template <typename T>
std::string short_text(const Reading<T>& reading) {
  return reading ? fmt::to_string(*reading) : to_json(reading.unreadable()).dump();
}

template <typename T>
std::string short_text(const std::optional<T>& value) {
  return value ? fmt::to_string(*value) : "null";
}

/// A line each, and by hand: there may be ten thousands, and a tree of them takes longer to build
/// than the kernel takes to list them. Nothing in it needs escaping.
std::string sockets_text(const std::vector<SocketEntry>& entries) {
  fmt::memory_buffer out;
  const auto add = [&]<typename... Args>(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
  };
  add("[");
  const char* separator = "\n";
  for (const SocketEntry& entry : entries) {
    const sys::Socket& socket = entry.socket;
    add("{}  {{\"protocol\": \"{}\", \"state\": {}, \"listening\": {}, \"local\": \"{}\", ",
        separator, socket.protocol == sys::SocketProtocol::kTcp ? "tcp" : "udp", socket.state,
        socket.is_listening(), socket.local.to_text());
    add("\"peer\": \"{}\", \"cookie\": {}, \"inode\": {}, \"uid\": {}, \"receive_queue\": {}, ",
        socket.peer.to_text(), socket.cookie, socket.inode, socket.uid, socket.receive_queue);
    add("\"send_queue\": {}, \"receive_buffer\": {}, \"drops\": {}, \"incoming_cpu\": {}, ",
        socket.send_queue, short_text(socket.receive_buffer), short_text(socket.drops),
        short_text(entry.incoming_cpu));
    add("\"incoming_napi\": {}, \"group\": {}, \"owners\": [{}]}}", short_text(entry.incoming_napi),
        short_text(entry.group), fmt::join(entry.owners, ", "));
    separator = ",\n";
  }
  add("]");
  return fmt::to_string(out);
}

Json owners_json(const std::vector<sys::SocketOwner>& owners) {
  Json json = Json::array();
  for (const sys::SocketOwner& owner : owners) {
    json.push_back({{"pid", owner.pid},
                    {"name", owner.name},
                    {"sockets", owner.sockets.size()},
                    {"threads", to_json(owner.threads, [](const std::vector<sys::Thread>& threads) {
                       Json list = Json::array();
                       for (const sys::Thread& thread : threads) {
                         list.push_back({{"id", thread.id},
                                         {"name", thread.name},
                                         {"cpus", thread.allowed.to_list()}});
                       }
                       return list;
                     })}});
  }
  return json;
}

Json topology_json(const Topology& topology) {
  Json list = Json::array();
  for (const Topology::Cpu& cpu : topology.cpus) {
    list.push_back({{"cpu", cpu.number},
                    {"core", cpu.core},
                    {"package", cpu.package},
                    {"node", cpu.node},
                    {"siblings", cpu.siblings.to_list()}});
  }
  return {{"online", topology.online.to_list()}, {"cpus", std::move(list)}};
}

Json findings_json(const std::vector<Finding>& findings) {
  Json json = Json::array();
  for (const Finding& finding : findings) {
    json.push_back({{"severity", to_string(finding.severity)},
                    {"rule", finding.rule},
                    {"place", finding.place},
                    {"text", finding.text},
                    {"setting", finding.setting}});
  }
  return json;
}

}  // namespace

std::string inventory_json(const Inventory& inventory, const std::vector<Finding>& findings,
                           const Observation* observed) {
  std::string text = "{\n";
  const auto add_text = [&](const char* name, const std::string& value) {
    text.append(text.size() > 2 ? ",\n " : " ").append("\"").append(name).append("\": ");
    text.append(value);
  };
  const auto add = [&](const char* name, const Json& value) {
    add_text(name, value.dump(1, ' ', false, Json::error_handler_t::replace));
  };
  Json sysctls = Json::object();
  for (const auto& [name, value] : inventory.sysctls) sysctls[name] = plain(value);
  Json devices = Json::array();
  for (const Device& device : inventory.devices) devices.push_back(device_json(device));
  Json groups = Json::array();
  for (const ReuseportGroup& group : inventory.groups) groups.push_back(group.sockets);
  add("kernel", inventory.kernel);
  add("topology", topology_json(inventory.topology));
  add("sysctls", sysctls);
  add("interrupt_cpus", inventory.interrupt_cpus);
  add("cpus", to_json(inventory.cpus, work_json));
  add("devices", devices);
  if (inventory.sockets) {
    add_text("sockets", sockets_text(*inventory.sockets));
  } else {
    add("sockets", to_json(inventory.sockets.unreadable()));
  }
  add("reuseport_groups", groups);
  add("owners", to_json(inventory.owners, owners_json));
  add("processes_unreadable", inventory.processes_unreadable);
  add("irqbalance", inventory.irqbalance);
  add("protocols", to_json(inventory.protocols, numbers));
  add("findings", findings_json(findings));
  if (observed != nullptr) add_text("observed", observation_json(*observed));
  return text + "\n}";
}

}  // namespace leat::host
