// Public: this machine's kernel, through /proc, /sys, netlink and ioctl.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "leat/base/unique_fd.h"
#include "leat/sys/machine.h"

namespace leat::sys {

namespace internal {
class NetlinkSocket;
}

/// Sockets are opened at their first use, in the network namespace that the calling thread is in
/// then. /sys shows the devices of the namespace in which it was mounted, whatever the thread's is.
class LiveMachine final : public Machine {
 public:
  LiveMachine();
  ~LiveMachine() override;

  [[nodiscard]] Result<std::string> read_file(const std::string& path) override;
  Result<void> write_file(const std::string& path, std::string_view text) override;
  [[nodiscard]] Result<std::vector<std::string>> list(const std::string& path) override;
  [[nodiscard]] Result<std::string> read_link(const std::string& path) override;
  [[nodiscard]] Result<NetlinkAnswer> netlink(const NetlinkRequest& request) override;
  Result<void> ethtool(const std::string& device, std::span<std::byte> command) override;
  [[nodiscard]] Result<SocketOptions> socket_options(int pid, int fd) override;

 private:
  Result<internal::NetlinkSocket*> socket_for(NetlinkRequest::Protocol protocol);
  /// The number of a generic family, EOPNOTSUPP if the kernel has none of that name.
  Result<std::uint16_t> family(const std::string& name);

  std::map<NetlinkRequest::Protocol, std::unique_ptr<internal::NetlinkSocket>> sockets_;
  std::map<std::string, std::uint16_t> families_;
  UniqueFd ioctl_socket_;
  /// The directory of the last link that was read: thousands of descriptors stand in the same one,
  /// and a path through /proc costs more than the link.
  UniqueFd links_;
  std::string links_path_;
  UniqueFd process_;  ///< pidfd of the last process asked for socket options
  int process_id_ = 0;
};

}  // namespace leat::sys
