#include "leat/smc/broker_client.h"

#include <fcntl.h>
#include <linux/time_types.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "leat/smc/internal/ask_broker.h"
#include "leat/smc/internal/broker_protocol.h"
#include "leat/smc/internal/raw_syscall.h"
#include "leat/smc/internal/sealed_file.h"

namespace leat::smc {

namespace {

using internal::Ask;
using internal::raw_argument;
using internal::raw_syscall;
using internal::Reply;
using internal::Request;

constexpr std::int64_t kPatienceMs = 1000;

std::int64_t now_ms() {
  __kernel_timespec now{};
  raw_syscall(SYS_clock_gettime, CLOCK_MONOTONIC, raw_argument(&now));
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

/// A descriptor for the length of a block, closed past the C library.
class RawFd {
 public:
  explicit RawFd(long fd) : fd_(fd) {}
  RawFd(const RawFd&) = delete;
  RawFd& operator=(const RawFd&) = delete;
  ~RawFd() {
    if (fd_ >= 0) raw_syscall(SYS_close, fd_);
  }
  [[nodiscard]] long get() const { return fd_; }

 private:
  long fd_;
};

// SO_RCVTIMEO and SO_SNDTIMEO bound connect(), send() and receive alike.
bool limit(long fd, std::int64_t deadline) {
  const std::int64_t left = deadline - now_ms();
  if (left <= 0) return false;
  timeval time{};
  time.tv_sec = left / 1000;
  time.tv_usec = left % 1000 * 1000;
  const auto set = [&](int option) {
    return raw_syscall(SYS_setsockopt, fd, SOL_SOCKET, option, raw_argument(&time), sizeof time) ==
           0;
  };
  return set(SO_RCVTIMEO) && set(SO_SNDTIMEO);
}

/// `call()` again while signals interrupt it, for as long as there is patience.
template <typename Call>
long patiently(long fd, std::int64_t deadline, Call call) {
  for (;;) {
    const long result = call();
    if (result != -EINTR) return result;
    if (!limit(fd, deadline)) return -EAGAIN;
  }
}

bool trusted(long fd, BrokerClient::Trust trust) {
  if (trust == BrokerClient::Trust::kPath) return true;
  ucred peer{};
  socklen_t size = sizeof peer;
  if (raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, raw_argument(&peer),
                  raw_argument(&size)) != 0) {
    return false;
  }
  return peer.uid == 0 || peer.uid == static_cast<uid_t>(raw_syscall(SYS_geteuid));
}

/// Reads the one message and the descriptor that came with it (-1: none).
bool receive(long fd, std::int64_t deadline, Reply& reply, int& passed) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec part{.iov_base = &reply, .iov_len = sizeof reply};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const long got = patiently(fd, deadline, [&] {
    return raw_syscall(SYS_recvmsg, fd, raw_argument(&message), MSG_CMSG_CLOEXEC);
  });
  passed = -1;
  if (got < 0) return false;
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof(int))) {
    std::memcpy(&passed, CMSG_DATA(header), sizeof passed);
  }
  return got == sizeof reply && reply.magic == Reply::kMagic &&
         (message.msg_flags & MSG_CTRUNC) == 0;
}

bool connect_to(long fd, const char* path, std::int64_t deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  static_assert(sizeof address.sun_path == 108);
  const std::size_t length = ::strnlen(path, sizeof address.sun_path);
  if (length == sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path, length);
  return patiently(fd, deadline, [&] {
           return raw_syscall(SYS_connect, fd, raw_argument(&address), sizeof address);
         }) == 0;
}

bool send_request(long fd, std::int64_t deadline, const Request& request,
                  std::span<const int> passed) {
  iovec part{.iov_base = const_cast<Request*>(&request), .iov_len = sizeof request};
  alignas(cmsghdr) char control[CMSG_SPACE(internal::kMostPassed * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!passed.empty() && passed.size() <= internal::kMostPassed) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(passed.size_bytes());
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(passed.size_bytes());
    std::memcpy(CMSG_DATA(header), passed.data(), passed.size_bytes());
  }
  return patiently(fd, deadline, [&] {
           return raw_syscall(SYS_sendmsg, fd, raw_argument(&message), MSG_NOSIGNAL);
         }) == sizeof request;
}

Request about(Ask ask, std::uint64_t cookie, std::uint64_t page_token) {
  Request request;
  request.ask = ask;
  request.cookie = cookie;
  request.page_token = page_token;
  return request;
}

}  // namespace

Answer internal::ask_broker(const char* path, BrokerClient::Trust trust, const Request& request,
                            std::span<const int> passed) {
  if (path[0] == 0) return {};  // Would be an abstract address.
  const std::int64_t deadline = now_ms() + kPatienceMs;
  const RawFd fd(raw_syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (fd.get() < 0 || !limit(fd.get(), deadline)) return {};
  if (!connect_to(fd.get(), path, deadline) || !trusted(fd.get(), trust)) return {};
  if (!send_request(fd.get(), deadline, request, passed)) return {};
  Reply reply;
  Answer answer;
  bool usable = receive(fd.get(), deadline, reply, answer.fd);
  usable = usable && reply.kind <= static_cast<std::uint32_t>(Answer::Kind::kUnknown);
  usable = usable && reply.reason < kFallbackReasons && reply.end < 2;
  if (usable && answer.fd >= 0) {
    answer.size = internal::sealed_size(answer.fd);
    usable = answer.size != 0;
  }
  const auto kind = static_cast<Answer::Kind>(reply.kind);
  if (usable && kind == Answer::Kind::kSegment && request.ask != Ask::kHold &&
      request.ask != Ask::kRelay) {
    usable = answer.fd >= 0;
  }
  if (!usable) {
    if (answer.fd >= 0) raw_syscall(SYS_close, answer.fd);
    return {};
  }
  answer.kind = kind;
  answer.reason = static_cast<FallbackReason>(reply.reason);
  answer.end = reply.end;
  answer.connects = reply.connects != 0;
  answer.boards = reply.boards;
  return answer;
}

BrokerClient::BrokerClient(const char* path, Trust trust) : path_{}, trust_(trust) {
  // A path that does not fit is nobody's.
  if (std::strlen(path) < sizeof path_) std::memcpy(path_, path, std::strlen(path));
}

Answer BrokerClient::hello(const char* program) const {
  Request request;
  request.ask = Ask::kHello;
  for (std::size_t i = 0; i + 1 < sizeof request.program && program[i] != 0; ++i) {
    request.program[i] = program[i];
  }
  return internal::ask_broker(path_, trust_, request);
}

Answer BrokerClient::offer(const Offer& offer, std::uint64_t page_token) const {
  Request request;
  request.ask = Ask::kOffer;
  request.page_token = page_token;
  request.cookie = offer.cookie;
  request.netns = offer.netns;
  request.names = offer.names;
  request.slot = offer.slot;
  request.big_ring = internal::ring_within_bounds(offer.big_ring);
  request.peer_ring = internal::ring_within_bounds(offer.peer_ring);
  request.connects = offer.connects ? 1 : 0;
  return internal::ask_broker(path_, trust_, request);
}

Answer BrokerClient::fetch(std::uint64_t cookie, std::uint64_t page_token) const {
  return internal::ask_broker(path_, trust_, about(Ask::kFetch, cookie, page_token));
}

Answer BrokerClient::reject(std::uint64_t cookie, std::uint64_t segment,
                            std::uint64_t page_token) const {
  Request request = about(Ask::kReject, cookie, page_token);
  request.netns = segment;
  return internal::ask_broker(path_, trust_, request);
}

Answer BrokerClient::lookup_or_pin(std::uint64_t cookie) const {
  return internal::ask_broker(path_, trust_, about(Ask::kLookupOrPin, cookie, 0));
}

Answer BrokerClient::hold(std::uint64_t cookie, std::uint32_t seconds,
                          std::uint64_t page_token) const {
  Request request = about(Ask::kHold, cookie, page_token);
  request.seconds = seconds < internal::kMostHoldSeconds ? seconds : internal::kMostHoldSeconds;
  return internal::ask_broker(path_, trust_, request);
}

Answer BrokerClient::boards(std::uint64_t cookie, std::uint64_t page_token) const {
  return internal::ask_broker(path_, trust_, about(Ask::kBoards, cookie, page_token));
}

Answer BrokerClient::relay(int old, int fresh, int rest, std::uint64_t page_token) const {
  Request request;
  request.ask = Ask::kRelay;
  request.page_token = page_token;
  const int passed[] = {old, fresh, rest};
  return internal::ask_broker(path_, trust_, request, passed);
}

}  // namespace leat::smc
