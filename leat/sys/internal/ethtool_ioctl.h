// Internal: RSS by SIOCETHTOOL, for kernels that lack it by netlink.
#pragma once

#include <string>

#include "leat/sys/ethtool.h"

namespace leat::sys::internal {

[[nodiscard]] Result<Rss> read_rss_by_ioctl(Machine& machine, const std::string& device);
Result<void> set_rss_by_ioctl(Machine& machine, const std::string& device, const RssChange& change);

}  // namespace leat::sys::internal
