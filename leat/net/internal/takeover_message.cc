#include "leat/net/internal/takeover_message.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "leat/base/assert.h"

namespace leat::internal {

namespace {

struct Header {
  std::array<char, 4> magic{'L', 'E', 'A', 'T'};
  std::uint16_t version = TakeoverMessage::kVersion;
  std::uint16_t kind = 0;
  std::uint32_t sockets = 0;
  std::uint32_t left = 0;
};
static_assert(sizeof(Header) == 16);

constexpr std::size_t kControlSize = CMSG_SPACE(sizeof(int) * TakeoverMessage::kMostSockets);

/// Room for SCM_RIGHTS, aligned as its header must be.
union Control {
  cmsghdr header;
  std::array<char, kControlSize> bytes;
};

std::vector<UniqueFd> take_descriptors(msghdr& message) {
  std::vector<UniqueFd> taken;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      taken.emplace_back(fd);
    }
  }
  return taken;
}

Error protocol_error(std::string what) {
  return Error::from_errno(EPROTO, "takeover: " + std::move(what));
}

Result<std::optional<TakeoverMessage>> parse(const Header& header, std::string_view text,
                                             std::vector<UniqueFd> sockets, bool sockets_wanted) {
  if (header.magic != Header().magic) return protocol_error("this is no takeover message");
  if (header.version != TakeoverMessage::kVersion) {
    return protocol_error(fmt::format("the other process speaks version {}, this one {}",
                                      header.version, TakeoverMessage::kVersion));
  }
  const bool is_known = header.kind >= 1 &&
                        header.kind <= static_cast<std::uint16_t>(TakeoverMessage::Kind::kRefused);
  if (!is_known) return protocol_error(fmt::format("a message of unknown kind {}", header.kind));
  if (sockets_wanted && header.sockets != sockets.size()) {
    return Error::from_errno(
        EMFILE, fmt::format("takeover: {} of {} descriptors came, see ulimit -n", sockets.size(),
                            header.sockets));
  }
  TakeoverMessage message;
  message.kind = static_cast<TakeoverMessage::Kind>(header.kind);
  message.left = header.left;
  message.text = text;
  message.sockets = std::move(sockets);
  return std::optional<TakeoverMessage>(std::move(message));
}

}  // namespace

Result<void> send_message(int socket, const TakeoverMessage& message) {
  Header header;
  header.kind = static_cast<std::uint16_t>(message.kind);
  header.sockets = static_cast<std::uint32_t>(message.sockets.size());
  header.left = message.left;
  const std::size_t text_size = std::min(message.text.size(), TakeoverMessage::kMostText);
  std::array<iovec, 2> parts{iovec{&header, sizeof header},
                             iovec{const_cast<char*>(message.text.data()), text_size}};
  msghdr packet{};
  packet.msg_iov = parts.data();
  packet.msg_iovlen = parts.size();
  Control control{};
  std::array<int, TakeoverMessage::kMostSockets> numbers{};
  const std::size_t count = message.sockets.size();
  LEAT_ASSERT(count <= numbers.size(), "too many descriptors for a takeover message");
  for (std::size_t i = 0; i < count; ++i) numbers[i] = message.sockets[i].get();
  if (count > 0) {
    packet.msg_control = control.bytes.data();
    packet.msg_controllen = CMSG_SPACE(count * sizeof(int));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
    std::memcpy(CMSG_DATA(&control.header), numbers.data(), sizeof numbers);
  }
  if (::sendmsg(socket, &packet, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return {};
  return Error::from_errno(errno, "takeover: sending to the other process");
}

Result<std::optional<TakeoverMessage>> receive_message(int socket, bool sockets_wanted) {
  Header header;
  std::array<char, TakeoverMessage::kMostText> text{};
  std::array<iovec, 2> parts{iovec{&header, sizeof header}, iovec{text.data(), text.size()}};
  Control control{};
  msghdr packet{};
  packet.msg_iov = parts.data();
  packet.msg_iovlen = parts.size();
  if (sockets_wanted) {
    packet.msg_control = control.bytes.data();
    packet.msg_controllen = control.bytes.size();
  }
  constexpr int kFlags = MSG_DONTWAIT | MSG_CMSG_CLOEXEC;
  ssize_t size = ::recvmsg(socket, &packet, kFlags);
  // Told once, of a peer that hung up without having read all; what it said comes after that.
  if (size < 0 && errno == ECONNRESET) size = ::recvmsg(socket, &packet, kFlags);
  if (size < 0) {
    if (errno == EAGAIN || errno == EINTR) return std::optional<TakeoverMessage>();
    return Error::from_errno(errno, "takeover: receiving from the other process");
  }
  std::vector<UniqueFd> sockets = take_descriptors(packet);
  if (size == 0) return Error::from_errno(ECONNRESET, "takeover: the other process has gone");
  if (static_cast<std::size_t>(size) < sizeof header || (packet.msg_flags & MSG_TRUNC) != 0) {
    return protocol_error(fmt::format("a packet of {} bytes is no takeover message", size));
  }
  const std::string_view rest(text.data(), static_cast<std::size_t>(size) - sizeof header);
  return parse(header, rest, std::move(sockets), sockets_wanted);
}

Result<void> check_same_user(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return Error::from_errno(errno, "takeover: SO_PEERCRED");
  }
  if (peer.uid == ::geteuid()) return {};
  return Error::from_errno(EPERM, fmt::format("takeover: the other process ({}) belongs to uid {}, "
                                              "this one to uid {}",
                                              peer.pid, peer.uid, ::geteuid()));
}

}  // namespace leat::internal
