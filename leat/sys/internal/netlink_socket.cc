#include "leat/sys/internal/netlink_socket.h"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "leat/base/internal/text_cursor.h"

namespace leat::sys::internal {
namespace {

/// The kernel fills at most 32 KiB of a dump at once (net/netlink/af_netlink.c).
constexpr std::size_t kBufferSize = 64 * 1024;
constexpr int kDumpAttempts = 4;
/// The kernel answers at once; only a lost message would let one wait.
constexpr timeval kPatience{.tv_sec = 5, .tv_usec = 0};

/// NLMSGERR_ATTR_MSG of an error message, if the kernel sent one.
std::string kernels_words(std::span<const std::byte> payload, std::uint16_t flags) {
  if ((flags & NLM_F_ACK_TLVS) == 0) return {};
  std::size_t skip = sizeof(nlmsgerr);
  const auto error = read_header<nlmsgerr>(payload);
  // The request comes back in between, unless it is cut off.
  if (error && (flags & NLM_F_CAPPED) == 0 && error->msg.nlmsg_len > sizeof(nlmsghdr)) {
    skip += (error->msg.nlmsg_len - sizeof(nlmsghdr) + 3) & ~std::size_t{3};
  }
  if (skip > payload.size()) return {};
  const auto text = Attributes(payload.subspan(skip)).text(NLMSGERR_ATTR_MSG);
  return text ? " (" + *text + ")" : std::string();
}

Result<NetlinkProgress> read_error(std::span<const std::byte> payload, std::uint16_t flags,
                                   const std::string& what) {
  const auto number = read_header<std::int32_t>(payload);
  if (!number) return Error::from_errno(EBADMSG, what + ": an error message without a number");
  if (*number == 0) return NetlinkProgress::kDone;
  constexpr std::int32_t kMostErrno = 4095;  // include/linux/err.h
  const bool is_errno = *number < 0 && *number >= -kMostErrno;
  return Error::from_errno(is_errno ? -*number : EBADMSG, what + kernels_words(payload, flags));
}

}  // namespace

Result<NetlinkProgress> read_datagram(std::span<const std::byte> datagram, std::uint32_t sequence,
                                      bool generic, const std::string& what,
                                      NetlinkAnswer& answer) {
  bool interrupted = false;
  while (!datagram.empty()) {
    const auto header = read_header<nlmsghdr>(datagram);
    if (!header || header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > datagram.size()) {
      return Error::from_errno(EBADMSG, what + ": a message that does not fit its datagram");
    }
    auto body = datagram.subspan(sizeof(nlmsghdr), header->nlmsg_len - sizeof(nlmsghdr));
    datagram = datagram.subspan(
        std::min((std::size_t{header->nlmsg_len} + 3) & ~std::size_t{3}, datagram.size()));
    if (header->nlmsg_seq != sequence) continue;  // Of a request that was given up.
    interrupted = interrupted || (header->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
    if (header->nlmsg_type == NLMSG_NOOP) continue;
    if (header->nlmsg_type == NLMSG_ERROR) return read_error(body, header->nlmsg_flags, what);
    if (header->nlmsg_type == NLMSG_DONE) {
      const std::int32_t status = read_header<std::int32_t>(body).value_or(0);
      if (status < 0) return read_error(body, header->nlmsg_flags, what);
      return interrupted ? NetlinkProgress::kDoneInterrupted : NetlinkProgress::kDone;
    }
    std::uint16_t command = header->nlmsg_type;
    if (generic) {
      const auto inner = read_header<genlmsghdr>(body);
      if (!inner) return Error::from_errno(EBADMSG, what + ": a message without its header");
      command = inner->cmd;
      body = body.subspan(sizeof(genlmsghdr));
    }
    answer.add(command, body);
  }
  return interrupted ? NetlinkProgress::kInterrupted : NetlinkProgress::kMore;
}

void NetlinkSocket::Closer::operator()(mnl_socket* socket) const {
  mnl_socket_close(socket);
}

NetlinkSocket::NetlinkSocket(mnl_socket* socket) : socket_(socket), buffer_(kBufferSize) {}
NetlinkSocket::NetlinkSocket(NetlinkSocket&&) noexcept = default;
NetlinkSocket& NetlinkSocket::operator=(NetlinkSocket&&) noexcept = default;
NetlinkSocket::~NetlinkSocket() = default;

Result<NetlinkSocket> NetlinkSocket::open(int bus, const std::string& name) {
  NetlinkSocket opened(mnl_socket_open2(bus, SOCK_CLOEXEC));
  if (opened.socket_ == nullptr) return Error::from_errno(errno, "netlink socket for " + name);
  mnl_socket* const socket = opened.socket_.get();
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) != 0) {
    return Error::from_errno(errno, "bind a netlink socket for " + name);
  }
  // Words for errors, and filters of dumps that are heeded: kernels before 4.12 and 4.20 lack them.
  int on = 1;
  mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, sizeof on);
  mnl_socket_setsockopt(socket, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  const int fd = mnl_socket_get_fd(socket);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  return opened;
}

Result<void> NetlinkSocket::send(const NetlinkEnvelope& envelope, std::span<const std::byte> body,
                                 const std::string& what) {
  std::vector<std::byte> message(sizeof(nlmsghdr) + sizeof(genlmsghdr) + body.size());
  nlmsghdr* const header = mnl_nlmsg_put_header(message.data());
  header->nlmsg_type = envelope.type;
  header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | envelope.flags);
  header->nlmsg_seq = ++sequence_;
  if (envelope.generic) {
    const genlmsghdr inner{.cmd = envelope.command, .version = 1, .reserved = 0};
    std::memcpy(mnl_nlmsg_put_extra_header(header, sizeof inner), &inner, sizeof inner);
  }
  if (!body.empty()) {
    std::memcpy(mnl_nlmsg_get_payload_tail(header), body.data(), body.size());
    header->nlmsg_len += static_cast<std::uint32_t>(body.size());
  }
  if (mnl_socket_sendto(socket_.get(), header, header->nlmsg_len) < 0) {
    return Error::from_errno(errno, what);
  }
  return {};
}

Result<NetlinkProgress> NetlinkSocket::gather(const NetlinkEnvelope& envelope,
                                              const std::string& what, NetlinkAnswer& answer) {
  bool interrupted = false;
  for (;;) {
    const ssize_t n = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno == EAGAIN ? ETIMEDOUT : errno, what);
    const auto progress = read_datagram(std::span(buffer_).first(static_cast<std::size_t>(n)),
                                        sequence_, envelope.generic, what, answer);
    if (!progress) return progress;
    interrupted = interrupted || *progress == NetlinkProgress::kInterrupted;
    // What is no dump is over with the acknowledgement that it asks for.
    if (*progress == NetlinkProgress::kDone && interrupted) {
      return NetlinkProgress::kDoneInterrupted;
    }
    if (*progress == NetlinkProgress::kDone || *progress == NetlinkProgress::kDoneInterrupted) {
      return progress;
    }
  }
}

Result<NetlinkAnswer> NetlinkSocket::ask(const NetlinkEnvelope& envelope,
                                         std::span<const std::byte> body, const std::string& what) {
  for (int attempt = 1;; ++attempt) {
    if (const auto sent = send(envelope, body, what); !sent) return sent.error();
    NetlinkAnswer answer;
    const auto progress = gather(envelope, what, answer);
    if (!progress) return progress.error();
    if (*progress == NetlinkProgress::kDone || attempt == kDumpAttempts) return answer;
  }
}

}  // namespace leat::sys::internal
