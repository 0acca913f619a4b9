#include "leat/net/internal/udp_control.h"

#include <linux/errqueue.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cstring>

#include "leat/base/assert.h"

namespace leat::internal {

namespace {

/// Calls `visit(level, type, data)` for each control message of `message`.
template <typename Visit>
void for_each_control(const msghdr& message, Visit visit) {
  // CMSG_NXTHDR wants it mutable and changes nothing.
  auto* header = const_cast<msghdr*>(&message);
  for (cmsghdr* one = CMSG_FIRSTHDR(header); one != nullptr; one = CMSG_NXTHDR(header, one)) {
    if (one->cmsg_len < CMSG_LEN(0)) return;
    const auto* data = reinterpret_cast<const std::byte*>(CMSG_DATA(one));
    visit(one->cmsg_level, one->cmsg_type, std::span(data, one->cmsg_len - CMSG_LEN(0)));
  }
}

/// The T at the beginning of `data`, or false if that is too short.
template <typename T>
bool read(std::span<const std::byte> data, T& value) {
  if (data.size() < sizeof value) return false;
  std::memcpy(&value, data.data(), sizeof value);
  return true;
}

Ecn to_ecn(std::uint8_t traffic_class) {
  return static_cast<Ecn>(traffic_class & 3);
}

InetAddress to_address(const sockaddr_in& in) {
  return InetAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&in), sizeof in)
      .value_or(InetAddress());
}

InetAddress to_address(const in_addr& address) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr = address;
  return to_address(in);
}

InetAddress to_address(const in6_addr& address, std::uint32_t interface) {
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_addr = address;
  // Other addresses mean the same on every interface, and compare equal then.
  if (IN6_IS_ADDR_LINKLOCAL(&address) || IN6_IS_ADDR_MC_LINKLOCAL(&address)) {
    in6.sin6_scope_id = interface;
  }
  return InetAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&in6), sizeof in6)
      .value_or(InetAddress());
}

void read_ipv4(int type, std::span<const std::byte> data, ReceivedControl& control) {
  std::uint8_t traffic_class = 0;
  in_pktinfo info{};
  if (type == IP_TOS && read(data, traffic_class)) control.ecn = to_ecn(traffic_class);
  // Not ipi_addr, which may be a broadcast or multicast address that nothing can be sent from.
  if (type == IP_PKTINFO && read(data, info)) control.local = to_address(info.ipi_spec_dst);
}

void read_ipv6(int type, std::span<const std::byte> data, ReceivedControl& control) {
  int traffic_class = 0;
  in6_pktinfo info{};
  if (type == IPV6_TCLASS && read(data, traffic_class)) {
    control.ecn = to_ecn(static_cast<std::uint8_t>(traffic_class));
  }
  if (type == IPV6_PKTINFO && read(data, info)) {
    control.local = to_address(info.ipi6_addr, info.ipi6_ifindex);
  }
}

}  // namespace

ReceivedControl parse_control(const msghdr& message) {
  ReceivedControl control;
  for_each_control(message, [&](int level, int type, std::span<const std::byte> data) {
    int segment_size = 0;
    std::uint32_t drops = 0;
    if (level == SOL_UDP && type == UDP_GRO && read(data, segment_size)) {
      control.segment_size = static_cast<std::uint16_t>(segment_size);
    } else if (level == SOL_SOCKET && type == SO_RXQ_OVFL && read(data, drops)) {
      control.drops = drops;
    } else if (level == IPPROTO_IP) {
      read_ipv4(type, data, control);
    } else if (level == IPPROTO_IPV6) {
      read_ipv6(type, data, control);
    }
  });
  return control;
}

namespace {

class Writer {
 public:
  explicit Writer(std::span<std::byte> room) : room_(room) {}

  template <typename T>
  void add(int level, int type, const T& value) {
    LEAT_ASSERT(used_ + CMSG_SPACE(sizeof value) <= room_.size(), "no room for control messages");
    cmsghdr header{};
    header.cmsg_level = level;
    header.cmsg_type = type;
    header.cmsg_len = CMSG_LEN(sizeof value);
    std::byte* place = room_.data() + used_;
    // With what the kernel skips as padding, so that nothing of the stack goes out.
    std::fill_n(place, CMSG_SPACE(sizeof value), std::byte{0});
    std::memcpy(place, &header, sizeof header);
    std::memcpy(place + CMSG_LEN(0), &value, sizeof value);
    used_ += CMSG_SPACE(sizeof value);
  }
  [[nodiscard]] std::size_t used() const { return used_; }

 private:
  std::span<std::byte> room_;
  std::size_t used_ = 0;
};

bool is_mapped(const InetAddress& address) {
  return address.family() == InetAddress::Family::kIpv6 &&
         address.unmapped().family() == InetAddress::Family::kIpv4;
}

void add_source(Writer& writer, const SendControl& control) {
  if (control.from.is_any()) return;
  if (control.to.family() == InetAddress::Family::kIpv4) {
    in_pktinfo info{};
    info.ipi_spec_dst = reinterpret_cast<const sockaddr_in*>(control.from.get())->sin_addr;
    return writer.add(IPPROTO_IP, IP_PKTINFO, info);
  }
  // An IPv6 socket takes it for IPv4 peers too, with the address mapped (ip_cmsg_send in the
  // kernel's net/ipv4/ip_sockglue.c).
  in6_pktinfo info{};
  info.ipi6_addr = reinterpret_cast<const sockaddr_in6*>(control.from.get())->sin6_addr;
  info.ipi6_ifindex = control.from.scope_id();
  writer.add(IPPROTO_IPV6, IPV6_PKTINFO, info);
}

}  // namespace

std::size_t build_control(const SendControl& control, std::span<std::byte> room) {
  Writer writer(room);
  if (control.segment_size != 0) writer.add(SOL_UDP, UDP_SEGMENT, control.segment_size);
  if (control.ecn != Ecn::kNotCapable) {
    const int traffic_class = static_cast<int>(control.ecn);
    // What leaves as IPv4 has IPv4's option, also through an IPv6 socket.
    if (control.to.family() == InetAddress::Family::kIpv4 || is_mapped(control.to)) {
      writer.add(IPPROTO_IP, IP_TOS, traffic_class);
    } else {
      writer.add(IPPROTO_IPV6, IPV6_TCLASS, traffic_class);
    }
  }
  add_source(writer, control);
  return writer.used();
}

std::optional<InetAddress> in_domain(const InetAddress& address, int domain) {
  if (address.domain() == domain) return address;
  if (domain == AF_INET) {
    const InetAddress plain = address.unmapped();
    return plain.domain() == AF_INET ? std::optional(plain) : std::nullopt;
  }
  if (address.domain() != AF_INET) return std::nullopt;
  sockaddr_in in{};
  std::memcpy(&in, address.get(), sizeof in);
  in6_addr mapped{};
  mapped.s6_addr[10] = 0xff;
  mapped.s6_addr[11] = 0xff;
  std::memcpy(mapped.s6_addr + 12, &in.sin_addr, sizeof in.sin_addr);
  InetAddress result = to_address(mapped, 0);
  result.set_port(address.port());
  return result;
}

std::optional<ReceivedError> parse_error(const msghdr& message) {
  std::optional<ReceivedError> found;
  for_each_control(message, [&](int level, int type, std::span<const std::byte> data) {
    const bool ipv4 = level == IPPROTO_IP && type == IP_RECVERR;
    const bool ipv6 = level == IPPROTO_IPV6 && type == IPV6_RECVERR;
    sock_extended_err report{};
    if ((!ipv4 && !ipv6) || !read(data, report)) return;
    const bool icmp =
        report.ee_origin == SO_EE_ORIGIN_ICMP || report.ee_origin == SO_EE_ORIGIN_ICMP6;
    if (!icmp && report.ee_origin != SO_EE_ORIGIN_LOCAL) return;
    found = ReceivedError{.number = static_cast<int>(report.ee_errno),
                          .from_icmp = icmp,
                          .type = report.ee_type,
                          .code = report.ee_code,
                          .info = report.ee_info,
                          .offender = InetAddress()};
    // Behind it stands SO_EE_OFFENDER, of family AF_UNSPEC if there is none.
    const std::span<const std::byte> address = data.subspan(sizeof report);
    sockaddr_in in{};
    sockaddr_in6 in6{};
    if (!read(address, in)) return;
    if (in.sin_family == AF_INET) found->offender = to_address(in);
    if (in.sin_family == AF_INET6 && read(address, in6)) {
      found->offender = to_address(in6.sin6_addr, in6.sin6_scope_id);
    }
    found->offender.set_port(0);
  });
  return found;
}

}  // namespace leat::internal
