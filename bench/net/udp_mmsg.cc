// A UDP server on bare recvmmsg() and sendmmsg(), with UDP_GRO and UDP_SEGMENT if asked for: the
// floor under every library, and no peer. What the kernel does not take at once is lost.

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "bench/net/server.h"
#include "bench/net/udp_server.h"

namespace {

constexpr std::size_t kBatch = 32;
// Not a power of two, so that slots do not share the same few sets of the caches.
constexpr std::size_t kSlot = leat::bench::kReadSize + 192;

struct Control {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

class Server {
 public:
  Server(int socket, leat::bench::UdpServerMode mode)
      : socket_(socket), mode_(mode), memory_(kBatch * kSlot) {}

  void handle_read() {
    for (std::size_t i = 0; i < kBatch; ++i) prepare(i);
    const int count = ::recvmmsg(socket_, input_.data(), kBatch, MSG_DONTWAIT, nullptr);
    unsigned answers = 0;
    for (int i = 0; i < count; ++i) answers = take(static_cast<std::size_t>(i), answers);
    if (answers > 0) (void)::sendmmsg(socket_, output_.data(), answers, MSG_DONTWAIT);
  }

 private:
  void prepare(std::size_t i) {
    vectors_[i] = {.iov_base = memory_.data() + i * kSlot, .iov_len = leat::bench::kReadSize};
    msghdr& message = input_[i].msg_hdr;
    message = {};
    message.msg_name = &peers_[i];
    message.msg_namelen = sizeof peers_[i];
    message.msg_iov = &vectors_[i];
    message.msg_iovlen = 1;
    if (!mode_.gro) return;
    message.msg_control = controls_[i].bytes.data();
    message.msg_controllen = controls_[i].bytes.size();
  }

  [[nodiscard]] std::size_t segment_size(std::size_t i) {
    msghdr& message = input_[i].msg_hdr;
    const cmsghdr* control = mode_.gro ? CMSG_FIRSTHDR(&message) : nullptr;
    if (control == nullptr || control->cmsg_type != UDP_GRO) return input_[i].msg_len;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(control), sizeof size);
    return static_cast<std::size_t>(size);
  }

  /// Returns how many answers there are now.
  unsigned take(std::size_t i, unsigned answers) {
    const std::size_t size = input_[i].msg_len;
    const std::size_t segment = segment_size(i);
    vectors_[i].iov_len = size;
    if (!mode_.echo) {
      bool asks = false;
      const auto* bytes = static_cast<const char*>(vectors_[i].iov_base);
      for (std::size_t at = 0; at < size; at += segment) {
        asks = asks || bytes[at] == leat::bench::kAcknowledge;
      }
      if (!asks) return answers;
      vectors_[i] = {.iov_base = const_cast<char*>(&leat::bench::kAcknowledge), .iov_len = 1};
    }
    msghdr& message = output_[answers].msg_hdr;
    message = input_[i].msg_hdr;
    message.msg_flags = 0;
    message.msg_control = nullptr;
    message.msg_controllen = 0;
    if (mode_.echo && segment < size) cut(message, controls_[answers], segment);
    return answers + 1;
  }

  static void cut(msghdr& message, Control& control, std::size_t segment) {
    message.msg_control = control.bytes.data();
    message.msg_controllen = CMSG_SPACE(sizeof(std::uint16_t));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto size = static_cast<std::uint16_t>(segment);
    std::memcpy(CMSG_DATA(header), &size, sizeof size);
  }

  const int socket_;
  const leat::bench::UdpServerMode mode_;
  std::vector<char> memory_;
  std::array<iovec, kBatch> vectors_;
  std::array<sockaddr_in, kBatch> peers_;
  std::array<Control, kBatch> controls_;
  std::array<mmsghdr, kBatch> input_;
  std::array<mmsghdr, kBatch> output_;
};

}  // namespace

int main(int count, char** arguments) {
  const leat::bench::UdpServerMode mode(count, arguments);
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const int gro = mode.gro ? 1 : 0;
  if (::bind(socket, generic, length) != 0 || ::getsockname(socket, generic, &length) != 0 ||
      ::setsockopt(socket, IPPROTO_UDP, UDP_GRO, &gro, sizeof gro) != 0) {
    std::perror("bench_udp_mmsg");
    return 1;
  }
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event);
  leat::bench::announce(ntohs(address.sin_port), "mmsg", "bare");
  Server server(socket, mode);
  for (;;) {
    if (::epoll_wait(epoll, &event, 1, -1) > 0) server.handle_read();
  }
}
