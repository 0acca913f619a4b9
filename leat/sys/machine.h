// Public: the one seam through which the kernel's settings and counters are read and written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "leat/base/result.h"
#include "leat/sys/netlink_message.h"

namespace leat::sys {

/// Everything above goes through here, so a recording can be replayed, a kernel can be made up for
/// tests, and a journal sees every write (docs/decisions/host.md).
///
///     LiveMachine        this kernel
///     RecordingMachine   passes on to another, and keeps what it answered
///     ReplayMachine      answers from a recording or a made-up machine; takes writes in memory
///
/// Paths are absolute, as on a live machine: "/sys/class/net/eth0/queues/rx-0/rps_cpus". Errors
/// carry the kernel's errno. One thread at a time. No call keeps what it was given.
class Machine {
 public:
  /// What a socket says of itself to getsockopt(2).
  struct SocketOptions {
    int incoming_cpu = -1;      ///< SO_INCOMING_CPU: the CPU that last handled a packet, or -1.
    std::uint32_t napi_id = 0;  ///< SO_INCOMING_NAPI_ID, 0 if none.
    bool reuse_port = false;    ///< SO_REUSEPORT
  };

  virtual ~Machine() = default;

  /// A whole small file, of /proc or /sys. EIO, EINVAL and the like come from the kernel where a
  /// driver has nothing behind a file.
  [[nodiscard]] virtual Result<std::string> read_file(const std::string& path) = 0;
  /// One write(2) of the whole text to a file that is there. The kernel may round or narrow it:
  /// read it back.
  virtual Result<void> write_file(const std::string& path, std::string_view text) = 0;
  /// Names in a directory, sorted by bytes, without "." and "..".
  [[nodiscard]] virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  /// Where a symbolic link points to, as it is written there.
  [[nodiscard]] virtual Result<std::string> read_link(const std::string& path) = 0;

  /// Sends a request and gathers all of its answer. EOPNOTSUPP where the kernel does not know the
  /// family or the command.
  [[nodiscard]] virtual Result<NetlinkAnswer> netlink(const NetlinkRequest& request) = 0;
  /// ioctl(SIOCETHTOOL): `command` begins with its number and is overwritten by the answer. For
  /// what netlink lacks: ntuple filters, the driver's own statistics, RSS on old kernels.
  virtual Result<void> ethtool(const std::string& device, std::span<std::byte> command) = 0;
  /// Of a socket that another process holds as `fd`, by pidfd_getfd(2); needs the right to trace
  /// it.
  [[nodiscard]] virtual Result<SocketOptions> socket_options(int pid, int fd) = 0;
};

/// read_file() without the newline at the end.
[[nodiscard]] Result<std::string> read_line(Machine& machine, const std::string& path);
/// A file that holds one decimal number and nothing else; EBADMSG otherwise. "-1" is allowed.
[[nodiscard]] Result<std::int64_t> read_number(Machine& machine, const std::string& path);

}  // namespace leat::sys
