// What a kernel of any age, or a broken one, may answer to the questions of leat/sys. The first
// byte says which reader gets it, the rest is a datagram.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "leat/sys/ethtool.h"
#include "leat/sys/internal/netlink_socket.h"
#include "leat/sys/links.h"
#include "leat/sys/machine.h"
#include "leat/sys/napi.h"
#include "leat/sys/sockets.h"

namespace {

using namespace leat;
using namespace leat::sys;

/// Gives the same answer to everything.
class OneAnswer final : public Machine {
 public:
  explicit OneAnswer(std::span<const std::byte> datagram) : datagram_(datagram) {}

  Result<std::string> read_file(const std::string& path) override { return none(path); }
  Result<void> write_file(const std::string& path, std::string_view) override { return none(path); }
  Result<std::vector<std::string>> list(const std::string& path) override { return none(path); }
  Result<std::string> read_link(const std::string& path) override { return none(path); }
  Result<void> ethtool(const std::string& device, std::span<std::byte>) override {
    return none(device);
  }
  Result<SocketOptions> socket_options(int, int) override { return none("socket"); }
  Result<NetlinkAnswer> netlink(const NetlinkRequest& request) override {
    NetlinkAnswer answer;
    const bool generic = request.protocol == NetlinkRequest::Protocol::kGeneric;
    const auto progress = leat::sys::internal::read_datagram(datagram_, 1, generic, "fuzz", answer);
    if (!progress) return progress.error();
    return answer;
  }

 private:
  static Error none(const std::string& what) { return Error::from_errno(ENOENT, what); }

  std::span<const std::byte> datagram_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  OneAnswer machine(std::as_bytes(std::span(data + 1, size - 1)));
  switch (data[0] % 8) {
    case 0:
      if (const auto links = read_links(machine)) {
        for (const Link& link : *links) {
          if (link.index <= 0 || link.name.empty()) std::abort();
        }
      }
      break;
    case 1:
      if (const auto sockets = read_sockets(machine)) {
        for (const Socket& socket : *sockets) static_cast<void>(socket.local.to_text());
      }
      break;
    case 2:
      static_cast<void>(read_rings(machine, "eth0"));
      static_cast<void>(read_channels(machine, "eth0"));
      break;
    case 3:
      static_cast<void>(read_coalesce(machine, "eth0"));
      break;
    case 4:
      static_cast<void>(read_features(machine, "eth0"));
      break;
    case 5:
      static_cast<void>(read_rss(machine, "eth0"));
      break;
    case 6:
      static_cast<void>(read_napis(machine, 1));
      static_cast<void>(read_queues(machine, 1));
      break;
    default:
      static_cast<void>(read_queue_statistics(machine, 1));
  }
  return 0;
}
