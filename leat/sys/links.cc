#include "leat/sys/links.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace leat::sys {
namespace {

// Newer than some distributions' headers: if_link.h of Linux 5.10 and later.
constexpr std::uint16_t kParentName = 56;

/// The members of struct rtnl_link_stats64, which only ever grows at its end.
constexpr std::array kStatistics = {
    "rx_packets",          "tx_packets",        "rx_bytes",         "tx_bytes",
    "rx_errors",           "tx_errors",         "rx_dropped",       "tx_dropped",
    "multicast",           "collisions",        "rx_length_errors", "rx_over_errors",
    "rx_crc_errors",       "rx_frame_errors",   "rx_fifo_errors",   "rx_missed_errors",
    "tx_aborted_errors",   "tx_carrier_errors", "tx_fifo_errors",   "tx_heartbeat_errors",
    "tx_window_errors",    "rx_compressed",     "tx_compressed",    "rx_nohandler",
    "rx_otherhost_dropped"};

NamedNumbers read_statistics(std::span<const std::byte> bytes) {
  NamedNumbers numbers;
  for (const char* name : kStatistics) {
    const auto value = read_header<std::uint64_t>(bytes);
    if (!value) break;
    numbers.push_back({name, *value});
    bytes = bytes.subspan(sizeof *value);
  }
  return numbers;
}

template <typename T>
std::optional<T> number_as(const Attributes& attributes, std::uint16_t type) {
  const auto number = attributes.number(type);
  return number ? std::optional(static_cast<T>(*number)) : std::nullopt;
}

std::optional<Link> read_link(std::span<const std::byte> body) {
  const auto header = read_header<ifinfomsg>(body);
  if (!header || header->ifi_index <= 0) return std::nullopt;
  const Attributes attributes(body.subspan(sizeof(ifinfomsg)));
  Link link;
  link.index = header->ifi_index;
  link.flags = header->ifi_flags;
  link.name = attributes.text(IFLA_IFNAME).value_or("");
  if (link.name.empty()) return std::nullopt;
  link.kind = attributes.nested(IFLA_LINKINFO).text(IFLA_INFO_KIND).value_or("");
  link.mtu = number_as<std::uint32_t>(attributes, IFLA_MTU);
  link.master = number_as<int>(attributes, IFLA_MASTER);
  link.lower = number_as<int>(attributes, IFLA_LINK);
  link.rx_queues = number_as<std::uint32_t>(attributes, IFLA_NUM_RX_QUEUES);
  link.tx_queues = number_as<std::uint32_t>(attributes, IFLA_NUM_TX_QUEUES);
  link.xdp = attributes.nested(IFLA_XDP).number(IFLA_XDP_ATTACHED);
  link.parent = attributes.text(kParentName).value_or("");
  if (const auto statistics = attributes.find(IFLA_STATS64)) {
    link.statistics = read_statistics(statistics->payload);
  }
  return link;
}

/// The device's index and its address as text.
std::optional<std::pair<int, std::string>> read_address(std::span<const std::byte> body) {
  const auto header = read_header<ifaddrmsg>(body);
  if (!header) return std::nullopt;
  const Attributes attributes(body.subspan(sizeof(ifaddrmsg)));
  auto address = attributes.find(IFA_LOCAL);
  if (!address) address = attributes.find(IFA_ADDRESS);
  const std::size_t size = header->ifa_family == AF_INET6 ? 16 : 4;
  if (!address || address->payload.size() != size) return std::nullopt;
  if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6) return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(header->ifa_family, address->payload.data(), text.data(), text.size());
  return std::pair(static_cast<int>(header->ifa_index),
                   std::string(text.data()) + "/" + std::to_string(header->ifa_prefixlen));
}

template <typename Header>
NetlinkRequest dump_of(std::uint16_t type, const Header& header) {
  AttributeWriter writer;
  writer.put_header(std::as_bytes(std::span(&header, 1)));
  return {.protocol = NetlinkRequest::Protocol::kRoute,
          .kind = NetlinkRequest::Kind::kDump,
          .command = type,
          .body = writer.take()};
}

}  // namespace

Result<std::vector<Link>> read_links(Machine& machine) {
  const auto answer = machine.netlink(dump_of(RTM_GETLINK, ifinfomsg{}));
  if (!answer) return answer.error();
  std::vector<Link> links;
  for (std::size_t i = 0; i < answer->size(); ++i) {
    if ((*answer)[i].command != RTM_NEWLINK) continue;
    if (auto link = read_link((*answer)[i].body)) links.push_back(*std::move(link));
  }
  std::sort(links.begin(), links.end(),
            [](const Link& a, const Link& b) { return a.index < b.index; });
  const auto addresses = machine.netlink(dump_of(RTM_GETADDR, ifaddrmsg{}));
  if (!addresses) return addresses.error();
  for (std::size_t i = 0; i < addresses->size(); ++i) {
    if ((*addresses)[i].command != RTM_NEWADDR) continue;
    const auto address = read_address((*addresses)[i].body);
    for (Link& link : links) {
      if (address && link.index == address->first) link.addresses.push_back(address->second);
    }
  }
  return links;
}

}  // namespace leat::sys
