#include "leat/sys/internal/ethtool_ioctl.h"

#include <linux/ethtool.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

namespace leat::sys::internal {
namespace {

/// struct ethtool_rxfh without its end: the table (u32 each), then the key.
struct RssHeader {
  std::uint32_t cmd;
  std::uint32_t rss_context;
  std::uint32_t indir_size;
  std::uint32_t key_size;
  std::uint8_t hfunc;
  std::uint8_t unused[7];
};
constexpr std::size_t kHeader = sizeof(RssHeader);
static_assert(kHeader == offsetof(ethtool_rxfh, rss_config));
static_assert(offsetof(RssHeader, hfunc) == offsetof(ethtool_rxfh, hfunc));

/// More than any device has; a driver that says otherwise is not believed.
constexpr std::uint32_t kMostEntries = 1U << 20;

Result<RssHeader> sizes_of(Machine& machine, const std::string& device) {
  std::vector<std::byte> buffer(kHeader);
  RssHeader request{};
  request.cmd = ETHTOOL_GRSSH;
  std::memcpy(buffer.data(), &request, kHeader);
  if (const auto done = machine.ethtool(device, buffer); !done) return done.error();
  std::memcpy(&request, buffer.data(), kHeader);
  if (request.indir_size > kMostEntries || request.key_size > kMostEntries) {
    return Error::from_errno(EBADMSG, "RSS of " + device + ": sizes that cannot be");
  }
  return request;
}

}  // namespace

Result<Rss> read_rss_by_ioctl(Machine& machine, const std::string& device) {
  const auto sizes = sizes_of(machine, device);
  if (!sizes) return sizes.error();
  const std::size_t table_bytes = std::size_t{sizes->indir_size} * sizeof(std::uint32_t);
  RssHeader request = *sizes;
  request.cmd = ETHTOOL_GRSSH;
  std::vector<std::byte> buffer(kHeader + table_bytes + sizes->key_size);
  std::memcpy(buffer.data(), &request, kHeader);
  if (const auto done = machine.ethtool(device, buffer); !done) return done.error();
  std::memcpy(&request, buffer.data(), kHeader);
  Rss rss;
  rss.function = request.hfunc;
  rss.table.resize(sizes->indir_size);
  rss.key.resize(sizes->key_size);
  if (table_bytes > 0) std::memcpy(rss.table.data(), buffer.data() + kHeader, table_bytes);
  if (!rss.key.empty()) {
    std::memcpy(rss.key.data(), buffer.data() + kHeader + table_bytes, rss.key.size());
  }
  return rss;
}

Result<void> set_rss_by_ioctl(Machine& machine, const std::string& device,
                              const RssChange& change) {
  RssHeader request{};
  request.cmd = ETHTOOL_SRSSH;
  // Size 0 stands for the driver's own table, and this for leaving it alone.
  request.indir_size = change.table ? static_cast<std::uint32_t>(change.table->size())
                                    : static_cast<std::uint32_t>(ETH_RXFH_INDIR_NO_CHANGE);
  request.key_size = change.key ? static_cast<std::uint32_t>(change.key->size()) : 0;
  std::vector<std::byte> buffer(kHeader);
  std::memcpy(buffer.data(), &request, kHeader);
  const auto append = [&](std::span<const std::byte> bytes) {
    buffer.insert(buffer.end(), bytes.begin(), bytes.end());
  };
  if (change.table) append(std::as_bytes(std::span(*change.table)));
  if (change.key) append(std::as_bytes(std::span(*change.key)));
  return machine.ethtool(device, buffer);
}

}  // namespace leat::sys::internal
