// Datagrams in bursts: each socket sends some in a row, and the next when they are answered: each
// by its echo, or all by one acknowledgement of a sink. So nothing is ever lost for want of room.

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "bench/net/client.h"
#include "bench/net/udp_server.h"

namespace leat::bench {

namespace {

constexpr std::size_t kRoom = 64 * 1024;
constexpr std::size_t kBatch = 32;
constexpr int kPatience = 200;  // milliseconds; then something was lost
constexpr int kTries = 50;

struct Talker {
  int fd = -1;
  std::size_t missing = 0;  // bytes
  std::uint64_t sent_at = 0;
};

int connect_datagrams_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    fail("a UDP socket");
  }
  return fd;
}

class UdpLoad final : public Load {
 public:
  UdpLoad(const ClientOptions& options, const Target& target)
      : options_(options),
        depth_(std::max<std::size_t>(options.depth, 1)),
        answer_(options.sink ? kAcknowledgement.size() : depth_ * options.size),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        burst_(depth_ * options.size, '.'),
        input_(kBatch * kRoom),
        talkers_(options.connections) {
    burst_[(depth_ - 1) * options.size] = kAcknowledge;
    for (std::size_t i = 0; i < depth_; ++i) {
      pieces_.push_back({.iov_base = burst_.data() + i * options.size, .iov_len = options.size});
    }
    for (std::size_t i = 0; i < talkers_.size(); ++i) {
      const int fd = talkers_[i].fd = connect_datagrams_to(target.port);
      const int on = options.gso ? 1 : 0;
      const int segment = options.gso ? static_cast<int>(options.size) : 0;
      if (::setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) != 0 ||
          ::setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment) != 0) {
        fail("UDP_GRO and UDP_SEGMENT");
      }
      watch(epoll_, EPOLL_CTL_ADD, fd, EPOLLIN, i);
    }
  }

  ~UdpLoad() override {
    for (const Talker& talker : talkers_) ::close(talker.fd);
    ::close(epoll_);
  }

  void begin_all() override {
    for (Talker& talker : talkers_) {
      ++outstanding_;
      say(talker);
    }
  }

 private:
  bool serve(int milliseconds) override {
    const auto ready = wait(epoll_, events_, std::min(milliseconds, kPatience));
    for (const epoll_event& event : ready) hear(talkers_[event.data.u64]);
    if (ready.empty()) say_again();
    return true;
  }

  void say(Talker& talker) {
    talker.missing = answer_;
    talker.sent_at = now_ns();
    if (options_.gso) {
      if (::send(talker.fd, burst_.data(), burst_.size(), 0) < 0) fail("sending datagrams");
      return;
    }
    std::array<mmsghdr, kBatch> messages;
    for (std::size_t done = 0; done < depth_;) {
      const std::size_t count = std::min(kBatch, depth_ - done);
      for (std::size_t i = 0; i < count; ++i) {
        messages[i] = {};
        messages[i].msg_hdr.msg_iov = &pieces_[done + i];
        messages[i].msg_hdr.msg_iovlen = 1;
      }
      const int sent = ::sendmmsg(talker.fd, messages.data(), static_cast<unsigned>(count), 0);
      if (sent <= 0) fail("sending datagrams");
      done += static_cast<std::size_t>(sent);
    }
  }

  void hear(Talker& talker) {
    std::array<mmsghdr, kBatch> messages;
    std::array<iovec, kBatch> vectors;
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors[i] = {.iov_base = input_.data() + i * kRoom, .iov_len = kRoom};
      messages[i] = {};
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int count = ::recvmmsg(talker.fd, messages.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0) fail("receiving datagrams");
    tries_ = 0;
    std::size_t got = 0;
    for (int i = 0; i < count; ++i) got += messages[static_cast<std::size_t>(i)].msg_len;
    if (talker.missing == 0) return;  // Late, after it was given up.
    talker.missing -= std::min(got, talker.missing);
    if (talker.missing > 0) return;
    const std::uint64_t took = now_ns() - talker.sent_at;
    for (std::size_t i = 0; i < depth_; ++i) completed(took);
    if (stopping_) {
      --outstanding_;
    } else {
      say(talker);
    }
  }

  void say_again() {
    if (++tries_ > kTries) {
      errno = ETIMEDOUT;
      fail("waiting for datagrams");
    }
    for (Talker& talker : talkers_) {
      if (talker.missing == 0) continue;
      failed_once();
      say(talker);
    }
  }

  const ClientOptions& options_;
  const std::size_t depth_;
  const std::size_t answer_;
  const int epoll_;
  std::vector<char> burst_;
  std::vector<iovec> pieces_;
  std::vector<char> input_;
  std::vector<Talker> talkers_;
  int tries_ = 0;
  Events events_;
};

}  // namespace

std::unique_ptr<Load> make_udp(const ClientOptions& options, const Target& target) {
  return std::make_unique<UdpLoad>(options, target);
}

}  // namespace leat::bench
