#include "leat/sys/sockets.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <span>

namespace leat::sys {
namespace {

// include/net/tcp_states.h
constexpr std::uint32_t kSynReceived = 3;
constexpr std::uint32_t kTimeWait = 6;
constexpr std::uint32_t kNewSynReceived = 12;
constexpr std::uint32_t kWanted =
    ~((1U << kSynReceived) | (1U << kTimeWait) | (1U << kNewSynReceived));

SocketAddress address_of(bool is_ipv6, const __be32 (&words)[4], __be16 port) {
  SocketAddress address;
  address.is_ipv6 = is_ipv6;
  address.port = ntohs(port);
  std::memcpy(address.bytes.data(), words, is_ipv6 ? 16 : 4);
  return address;
}

std::optional<std::uint32_t> memory_word(const Attribute& memory, std::size_t index) {
  const std::size_t at = index * sizeof(std::uint32_t);
  if (memory.payload.size() < at) return std::nullopt;
  return read_header<std::uint32_t>(memory.payload.subspan(at));
}

std::optional<Socket> read_socket(SocketProtocol protocol, std::span<const std::byte> body) {
  const auto header = read_header<inet_diag_msg>(body);
  if (!header) return std::nullopt;
  if (header->idiag_family != AF_INET && header->idiag_family != AF_INET6) return std::nullopt;
  const bool is_ipv6 = header->idiag_family == AF_INET6;
  Socket socket;
  socket.protocol = protocol;
  socket.state = header->idiag_state;
  socket.local = address_of(is_ipv6, header->id.idiag_src, header->id.idiag_sport);
  socket.peer = address_of(is_ipv6, header->id.idiag_dst, header->id.idiag_dport);
  socket.device = static_cast<int>(header->id.idiag_if);
  socket.cookie = header->id.idiag_cookie[0] | (std::uint64_t{header->id.idiag_cookie[1]} << 32);
  socket.inode = header->idiag_inode;
  socket.uid = header->idiag_uid;
  socket.receive_queue = header->idiag_rqueue;
  socket.send_queue = header->idiag_wqueue;
  const Attributes attributes(body.subspan(sizeof(inet_diag_msg)));
  if (const auto memory = attributes.find(INET_DIAG_SKMEMINFO)) {
    socket.receive_buffer = memory_word(*memory, SK_MEMINFO_RCVBUF);
    socket.drops = memory_word(*memory, SK_MEMINFO_DROPS);
  }
  return socket;
}

Result<void> dump(Machine& machine, std::uint8_t family, SocketProtocol protocol,
                  std::vector<Socket>& sockets) {
  inet_diag_req_v2 request{};
  request.sdiag_family = family;
  request.sdiag_protocol = protocol == SocketProtocol::kTcp ? IPPROTO_TCP : IPPROTO_UDP;
  request.idiag_ext = 1U << (INET_DIAG_SKMEMINFO - 1);
  request.idiag_states = kWanted;
  AttributeWriter writer;
  writer.put_header(std::as_bytes(std::span(&request, 1)));
  const auto answer = machine.netlink({.protocol = NetlinkRequest::Protocol::kSocketDiag,
                                       .kind = NetlinkRequest::Kind::kDump,
                                       .command = SOCK_DIAG_BY_FAMILY,
                                       .body = writer.take()});
  if (!answer) {
    const Error& error = answer.error();
    return Error(error.code(), "the list of sockets: " + error.context());
  }
  sockets.reserve(sockets.size() + answer->size());
  for (std::size_t i = 0; i < answer->size(); ++i) {
    if (auto socket = read_socket(protocol, (*answer)[i].body)) sockets.push_back(*socket);
  }
  return {};
}

bool all_zero(std::span<const std::uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

bool SocketAddress::is_any() const {
  return all_zero(bytes);
}

bool SocketAddress::is_loopback() const {
  if (!is_ipv6) return bytes[0] == 127;
  const std::span<const std::uint8_t> all(bytes);
  if (all_zero(all.first(10)) && bytes[10] == 0xff && bytes[11] == 0xff) return bytes[12] == 127;
  return all_zero(all.first(15)) && bytes[15] == 1;
}

std::string SocketAddress::to_text() const {
  const std::string end = ":" + std::to_string(port);
  if (is_any()) return is_ipv6 ? "[::]" + end : "*" + end;
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, bytes.data(), text.data(), text.size());
  return is_ipv6 ? "[" + std::string(text.data()) + "]" + end : text.data() + end;
}

bool Socket::is_listening() const {
  if (protocol == SocketProtocol::kTcp) return state == kListen;
  return state == kClose && peer.port == 0;
}

Result<std::vector<Socket>> read_sockets(Machine& machine) {
  std::vector<Socket> sockets;
  for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
    for (const auto protocol : {SocketProtocol::kTcp, SocketProtocol::kUdp}) {
      const auto done = dump(machine, family, protocol, sockets);
      // A kernel without IPv6 or without udp_diag has none of those.
      if (!done && done.error().number() == ENOENT &&
          !(family == AF_INET && protocol == SocketProtocol::kTcp))
        continue;
      if (!done) return done.error();
    }
  }
  return sockets;
}

}  // namespace leat::sys
