// Internal: the system calls around a UDP socket's birth.
#pragma once

#include <optional>

#include "leat/base/result.h"
#include "leat/base/unique_fd.h"
#include "leat/net/inet_address.h"
#include "leat/net/udp_options.h"

namespace leat::internal {

/// A non-blocking socket with all its options set.
struct OpenedUdp {
  UniqueFd socket;
  InetAddress local;
  std::optional<InetAddress> peer = std::nullopt;  ///< If it is connected.
  bool gso = false;                                ///< Wanted, and the kernel has it.
};

/// An IPv6 socket takes IPv4 as well (IPV6_V6ONLY off); without IPv6 in the kernel [::] becomes
/// 0.0.0.0. Errors say what is in the way.
[[nodiscard]] Result<OpenedUdp> open_bound_udp(const InetAddress& address,
                                               const UdpOptions& options);
[[nodiscard]] Result<OpenedUdp> open_connected_udp(const InetAddress& peer,
                                                   const UdpOptions& options);

/// A socket that another process has bound; its options are set anew.
[[nodiscard]] Result<OpenedUdp> adopt_bound_udp(UniqueFd socket, const UdpOptions& options);

}  // namespace leat::internal
