#include "leat/sys/live_machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "leat/sys/internal/netlink_socket.h"

namespace leat::sys {

using internal::NetlinkEnvelope;
using internal::NetlinkSocket;

LiveMachine::LiveMachine() = default;
LiveMachine::~LiveMachine() = default;

Result<std::string> LiveMachine::read_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return Error::from_errno(errno, "open " + path);
  std::string text;
  std::array<char, 16'384> buffer;
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "read " + path);
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

Result<void> LiveMachine::write_file(const std::string& path, std::string_view text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return Error::from_errno(errno, "open " + path);
  // A file of the kernel takes a value in one write, so a rest is not sent after.
  ssize_t n = 0;
  do {
    n = ::write(fd.get(), text.data(), text.size());
  } while (n < 0 && errno == EINTR);
  if (n < 0) return Error::from_errno(errno, "write " + path);
  if (static_cast<std::size_t>(n) != text.size()) return Error::from_errno(EIO, "write " + path);
  return {};
}

Result<std::vector<std::string>> LiveMachine::list(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
  if (directory == nullptr) return Error::from_errno(errno, "open " + path);
  links_.reset();  // What is listed next may be another process of the same number.
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(directory.get());
    if (entry == nullptr && errno != 0) return Error::from_errno(errno, "list " + path);
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::string> LiveMachine::read_link(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string_view directory = std::string_view(path).substr(0, slash + 1);
  if (!links_ || directory != links_path_) {
    links_path_ = directory;
    links_ = UniqueFd(::open(links_path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!links_) return Error::from_errno(errno, "read the link " + path);
  }
  std::array<char, PATH_MAX> target;
  const ssize_t n =
      ::readlinkat(links_.get(), path.c_str() + slash + 1, target.data(), target.size());
  if (n < 0) return Error::from_errno(errno, "read the link " + path);
  return std::string(target.data(), static_cast<std::size_t>(n));
}

Result<NetlinkSocket*> LiveMachine::socket_for(NetlinkRequest::Protocol protocol) {
  auto& socket = sockets_[protocol];
  if (socket != nullptr) return socket.get();
  using Protocol = NetlinkRequest::Protocol;
  const int bus = protocol == Protocol::kRoute     ? NETLINK_ROUTE
                  : protocol == Protocol::kGeneric ? NETLINK_GENERIC
                                                   : NETLINK_SOCK_DIAG;
  auto opened = NetlinkSocket::open(bus, protocol == Protocol::kRoute     ? "links"
                                         : protocol == Protocol::kGeneric ? "generic families"
                                                                          : "sockets");
  if (!opened) return opened.error();
  socket = std::make_unique<NetlinkSocket>(*std::move(opened));
  return socket.get();
}

Result<std::uint16_t> LiveMachine::family(const std::string& name) {
  const auto known = families_.find(name);
  if (known != families_.end()) return known->second;
  const auto socket = socket_for(NetlinkRequest::Protocol::kGeneric);
  if (!socket) return socket.error();
  AttributeWriter writer;
  writer.put_string(CTRL_ATTR_FAMILY_NAME, name);
  const NetlinkEnvelope envelope{
      .type = GENL_ID_CTRL, .flags = NLM_F_ACK, .generic = true, .command = CTRL_CMD_GETFAMILY};
  const auto answer = (*socket)->ask(envelope, writer.bytes(), "netlink family " + name);
  if (!answer) {
    const int number = answer.error().number();
    return Error::from_errno(number == ENOENT ? EOPNOTSUPP : number, answer.error().context());
  }
  const auto id =
      answer->empty() ? std::nullopt : Attributes((*answer)[0].body).number(CTRL_ATTR_FAMILY_ID);
  if (!id) return Error::from_errno(EBADMSG, "netlink family " + name + ": no number");
  return families_[name] = static_cast<std::uint16_t>(*id);
}

Result<NetlinkAnswer> LiveMachine::netlink(const NetlinkRequest& request) {
  NetlinkEnvelope envelope;
  envelope.type = request.command;
  envelope.flags = NLM_F_ACK;
  if (request.kind == NetlinkRequest::Kind::kDump) envelope.flags = NLM_F_DUMP;
  std::string what = "netlink request " + std::to_string(request.command);
  if (request.protocol == NetlinkRequest::Protocol::kGeneric) {
    const auto id = family(request.family);
    if (!id) return id.error();
    envelope.type = *id;
    envelope.generic = true;
    envelope.command = static_cast<std::uint8_t>(request.command);
    what = request.family + " " + what;
  }
  const auto socket = socket_for(request.protocol);
  if (!socket) return socket.error();
  return (*socket)->ask(envelope, request.body, what);
}

Result<void> LiveMachine::ethtool(const std::string& device, std::span<std::byte> command) {
  ifreq request{};
  if (device.empty() || device.size() >= sizeof request.ifr_name) {
    return Error::from_errno(
        ENODEV, "ethtool of a device whose name has " + std::to_string(device.size()) + " bytes");
  }
  if (!ioctl_socket_) ioctl_socket_ = UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!ioctl_socket_) return Error::from_errno(errno, "a socket for ethtool");
  std::memcpy(request.ifr_name, device.data(), device.size());
  request.ifr_data = reinterpret_cast<char*>(command.data());
  if (::ioctl(ioctl_socket_.get(), SIOCETHTOOL, &request) == 0) return {};
  const auto number = read_header<std::uint32_t>(command);
  return Error::from_errno(
      errno, "ethtool command " + std::to_string(number.value_or(0)) + " on " + device);
}

Result<Machine::SocketOptions> LiveMachine::socket_options(int pid, int fd) {
  const auto where = [&](const char* what) {
    return Error::from_errno(errno, std::string(what) + " descriptor " + std::to_string(fd) +
                                        " of process " + std::to_string(pid));
  };
  if (process_id_ != pid) {
    process_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    process_id_ = process_ ? pid : 0;
  }
  if (!process_) return where("open");
  const UniqueFd socket(static_cast<int>(::syscall(SYS_pidfd_getfd, process_.get(), fd, 0)));
  if (!socket) return where("borrow");
  SocketOptions options;
  int reuse = 0;
  socklen_t size = sizeof options.incoming_cpu;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_INCOMING_CPU, &options.incoming_cpu, &size) != 0) {
    return where("ask");
  }
  size = sizeof options.napi_id;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_INCOMING_NAPI_ID, &options.napi_id, &size);
  size = sizeof reuse;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &reuse, &size);
  options.reuse_port = reuse != 0;
  return options;
}

}  // namespace leat::sys
