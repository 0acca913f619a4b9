// Public: the network devices of a namespace and their addresses, by rtnetlink.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "leat/base/result.h"
#include "leat/sys/machine.h"
#include "leat/sys/named_number.h"

namespace leat::sys {

/// What an older kernel does not tell is absent, not 0.
struct Link {
  int index = 0;
  std::string name;
  std::string kind;         ///< "veth", "tun", "bridge" ...; empty for cards and loopback.
  std::uint32_t flags = 0;  ///< IFF_UP and the like, man 7 netdevice.
  std::optional<std::uint32_t> mtu;
  std::optional<int> master;               ///< Index of the bridge or bond it belongs to.
  std::optional<int> lower;                ///< Of the device below (VLAN), or of a veth's peer.
  std::optional<std::uint32_t> rx_queues;  ///< That it was made with, in use or not.
  std::optional<std::uint32_t> tx_queues;
  std::optional<std::uint64_t> xdp;    ///< XDP_ATTACHED_*: 0 none, 1 driver, 2 generic, 3 card.
  std::string parent;                  ///< The device behind it: "0000:00:03.0", "virtio2".
  std::vector<std::string> addresses;  ///< "10.0.0.1/24", "fe80::1/64".
  /// struct rtnl_link_stats64, by its member names; as many as this kernel has.
  NamedNumbers statistics;
};

/// By index. An error is the kernel's; a message that makes no sense is left out.
[[nodiscard]] Result<std::vector<Link>> read_links(Machine& machine);

}  // namespace leat::sys
