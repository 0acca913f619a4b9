// Public: TCP and UDP sockets of a network namespace, by the kernel's socket monitoring.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "leat/base/result.h"
#include "leat/sys/machine.h"

namespace leat::sys {

enum class SocketProtocol : std::uint8_t { kTcp, kUdp };

/// An address as the kernel keeps it; IPv4 fills the first four bytes.
struct SocketAddress {
  bool is_ipv6 = false;
  std::array<std::uint8_t, 16> bytes{};
  std::uint16_t port = 0;

  [[nodiscard]] bool is_any() const;
  [[nodiscard]] bool is_loopback() const;
  /// "10.0.0.1:80", "[::1]:80", "*:80".
  [[nodiscard]] std::string to_text() const;
  friend bool operator==(const SocketAddress&, const SocketAddress&) = default;
};

struct Socket {
  static constexpr std::uint8_t kEstablished = 1;
  static constexpr std::uint8_t kClose = 7;  ///< An unconnected UDP socket too.
  static constexpr std::uint8_t kListen = 10;

  SocketProtocol protocol = SocketProtocol::kTcp;
  std::uint8_t state = 0;  ///< TCP_ESTABLISHED and the like, include/net/tcp_states.h.
  SocketAddress local;
  SocketAddress peer;
  int device = 0;  ///< Bound to this one, 0 for any.
  std::uint64_t cookie = 0;
  std::uint32_t inode = 0;  ///< 0 for one that no process holds.
  std::uint32_t uid = 0;
  /// Bytes not yet read; of a listening socket, connections not yet accepted.
  std::uint32_t receive_queue = 0;
  /// Bytes not yet acknowledged; of a listening socket, the longest its queue may be.
  std::uint32_t send_queue = 0;
  std::optional<std::uint32_t> receive_buffer;  ///< SK_MEMINFO_RCVBUF
  std::optional<std::uint32_t> drops;           ///< SK_MEMINFO_DROPS

  [[nodiscard]] bool is_listening() const;
};

/// Those that listen or are connected, IPv4 and IPv6, in the kernel's order. TIME-WAIT and
/// half-open ones have no owner and are left out.
[[nodiscard]] Result<std::vector<Socket>> read_sockets(Machine& machine);

}  // namespace leat::sys
