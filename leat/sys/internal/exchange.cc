#include "leat/sys/internal/exchange.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "leat/sys/internal/kernel_numbers.h"

namespace leat::sys::internal {
namespace {

std::optional<Exchange> ethtool_exchange(const NetlinkRequest& request) {
  const auto device = Attributes(request.body).nested(ethtool::kHeader).text(ethtool::kHeaderName);
  if (!device) return std::nullopt;
  const auto at = [&](const char* object, Schema schema) {
    return Exchange{.path = {"ethtool", *device, object}, .schema = schema, .device = *device};
  };
  switch (request.command) {
    case ethtool::kRingsGet:
    case ethtool::kRingsSet:
      return at("rings", kRingsSchema);
    case ethtool::kChannelsGet:
    case ethtool::kChannelsSet:
      return at("channels", kChannelsSchema);
    case ethtool::kCoalesceGet:
    case ethtool::kCoalesceSet:
      return at("coalesce", kCoalesceSchema);
    case ethtool::kFeaturesGet:
    case ethtool::kFeaturesSet:
      return at("features", kFeaturesSchema);
    case ethtool::kRssGet:
    case ethtool::kRssSet:
      return at("rss", kRssSchema);
    default:
      return std::nullopt;
  }
}

std::optional<Exchange> netdev_exchange(const NetlinkRequest& request) {
  const Attributes attributes(request.body);
  const auto at = [&](const char* object, Schema schema, std::uint16_t index) {
    return Exchange{
        .path = {"netdev", std::to_string(attributes.number(index).value_or(0)), object},
        .is_list = true,
        .schema = schema};
  };
  switch (request.command) {
    case netdev::kQueueGet:
      return at("queues", kQueueSchema, netdev::kQueueIndex);
    case netdev::kNapiGet:
      return at("napis", kNapiSchema, netdev::kNapiIndex);
    case netdev::kQstatsGet:
      return at("qstats", kQstatsSchema, netdev::kQstatsIndex);
    case netdev::kNapiSet:
      return Exchange{.path = {"netdev"}, .schema = kNapiSchema};
    default:
      return std::nullopt;
  }
}

std::optional<Exchange> route_exchange(const NetlinkRequest& request) {
  if (request.command == RTM_GETLINK) {
    return Exchange{.path = {"route", "links"},
                    .is_list = true,
                    .schema = kLinkSchema,
                    .header = BodyHeader::kLink,
                    .reply = RTM_NEWLINK};
  }
  if (request.command != RTM_GETADDR) return std::nullopt;
  return Exchange{.path = {"route", "addresses"},
                  .is_list = true,
                  .schema = kAddressSchema,
                  .header = BodyHeader::kAddress,
                  .reply = RTM_NEWADDR};
}

std::optional<Exchange> socket_exchange(const NetlinkRequest& request) {
  const auto header = read_header<inet_diag_req_v2>(request.body);
  if (request.command != SOCK_DIAG_BY_FAMILY || !header) return std::nullopt;
  std::string name = header->sdiag_protocol == IPPROTO_TCP ? "tcp" : "udp";
  name.push_back(header->sdiag_family == AF_INET6 ? '6' : '4');
  return Exchange{.path = {"sockets", name},
                  .is_list = true,
                  .schema = kSocketSchema,
                  .header = BodyHeader::kSocket,
                  .reply = SOCK_DIAG_BY_FAMILY};
}

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

std::string address_hex(const __be32 (&words)[4], bool is_ipv6) {
  return to_hex(bytes_of(words).first(is_ipv6 ? 16 : 4));
}

void put_address(const Json& object, const char* name, __be32 (&words)[4]) {
  const auto bytes = from_hex(text_in(object, name));
  if (!bytes.empty()) std::memcpy(words, bytes.data(), std::min(bytes.size(), sizeof words));
}

Json link_header(const ifinfomsg& header) {
  return {{"index", header.ifi_index}, {"type", header.ifi_type}, {"flags", header.ifi_flags}};
}

Json address_header(const ifaddrmsg& header) {
  return {
      {"index", header.ifa_index}, {"family", header.ifa_family}, {"prefix", header.ifa_prefixlen}};
}

Json socket_header(const inet_diag_msg& header) {
  const bool is_ipv6 = header.idiag_family == AF_INET6;
  return {{"family", header.idiag_family},
          {"state", header.idiag_state},
          {"source", address_hex(header.id.idiag_src, is_ipv6)},
          {"source-port", ntohs(header.id.idiag_sport)},
          {"destination", address_hex(header.id.idiag_dst, is_ipv6)},
          {"destination-port", ntohs(header.id.idiag_dport)},
          {"device", header.id.idiag_if},
          {"cookie", header.id.idiag_cookie[0] | (std::uint64_t{header.id.idiag_cookie[1]} << 32)},
          {"inode", header.idiag_inode},
          {"uid", header.idiag_uid},
          {"receive-queue", header.idiag_rqueue},
          {"send-queue", header.idiag_wqueue}};
}

ifinfomsg to_link_header(const Json& object) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(number_in(object, "index", 0));
  header.ifi_type = static_cast<unsigned short>(number_in(object, "type", 1));
  header.ifi_flags = static_cast<unsigned>(number_in(object, "flags", 0));
  return header;
}

ifaddrmsg to_address_header(const Json& object) {
  ifaddrmsg header{};
  header.ifa_index = static_cast<__u32>(number_in(object, "index", 0));
  header.ifa_family = static_cast<__u8>(number_in(object, "family", AF_INET));
  header.ifa_prefixlen = static_cast<__u8>(number_in(object, "prefix", 0));
  return header;
}

inet_diag_msg to_socket_header(const Json& object) {
  inet_diag_msg header{};
  header.idiag_family = static_cast<__u8>(number_in(object, "family", AF_INET));
  header.idiag_state = static_cast<__u8>(number_in(object, "state", 0));
  put_address(object, "source", header.id.idiag_src);
  put_address(object, "destination", header.id.idiag_dst);
  header.id.idiag_sport = htons(static_cast<std::uint16_t>(number_in(object, "source-port", 0)));
  header.id.idiag_dport =
      htons(static_cast<std::uint16_t>(number_in(object, "destination-port", 0)));
  header.id.idiag_if = static_cast<__u32>(number_in(object, "device", 0));
  const std::uint64_t cookie = number_in(object, "cookie", 0);
  header.id.idiag_cookie[0] = static_cast<__u32>(cookie);
  header.id.idiag_cookie[1] = static_cast<__u32>(cookie >> 32);
  header.idiag_inode = static_cast<__u32>(number_in(object, "inode", 0));
  header.idiag_uid = static_cast<__u32>(number_in(object, "uid", 0));
  header.idiag_rqueue = static_cast<__u32>(number_in(object, "receive-queue", 0));
  header.idiag_wqueue = static_cast<__u32>(number_in(object, "send-queue", 0));
  return header;
}

template <typename Header, typename Function>
Json with_header(const Exchange& exchange, std::span<const std::byte> body, Function to_json) {
  const auto header = read_header<Header>(body);
  if (!header) return Json();
  Json object = to_json(*header);
  object.update(attributes_to_json(exchange.schema, Attributes(body.subspan(sizeof(Header)))));
  return object;
}

}  // namespace

std::optional<Exchange> exchange_of(const NetlinkRequest& request) {
  switch (request.protocol) {
    case NetlinkRequest::Protocol::kRoute:
      return route_exchange(request);
    case NetlinkRequest::Protocol::kSocketDiag:
      return socket_exchange(request);
    case NetlinkRequest::Protocol::kGeneric:
      if (request.family == ethtool::kFamily) return ethtool_exchange(request);
      if (request.family == netdev::kFamily) return netdev_exchange(request);
  }
  return std::nullopt;
}

Json message_to_json(const Exchange& exchange, std::span<const std::byte> body) {
  switch (exchange.header) {
    case BodyHeader::kNone:
      return attributes_to_json(exchange.schema, Attributes(body));
    case BodyHeader::kLink:
      return with_header<ifinfomsg>(exchange, body, link_header);
    case BodyHeader::kAddress:
      return with_header<ifaddrmsg>(exchange, body, address_header);
    case BodyHeader::kSocket:
      return with_header<inet_diag_msg>(exchange, body, socket_header);
  }
  return Json();
}

std::vector<std::byte> json_to_message(const Exchange& exchange, const Json& object) {
  AttributeWriter writer;
  switch (exchange.header) {
    case BodyHeader::kNone:
      break;
    case BodyHeader::kLink:
      writer.put_header(bytes_of(to_link_header(object)));
      break;
    case BodyHeader::kAddress:
      writer.put_header(bytes_of(to_address_header(object)));
      break;
    case BodyHeader::kSocket:
      writer.put_header(bytes_of(to_socket_header(object)));
      break;
  }
  json_to_attributes(exchange.schema, object, writer);
  return writer.take();
}

}  // namespace leat::sys::internal
