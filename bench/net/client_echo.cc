// Ping-pong: every connection has one message on its way all the time.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "bench/net/client.h"

namespace leat::bench {

namespace {

struct Pinger {
  int fd = -1;
  std::size_t unsent = 0;
  std::size_t missing = 0;
  std::uint64_t sent_at = 0;
  bool watches_output = false;
};

class EchoLoad final : public Load {
 public:
  EchoLoad(const ClientOptions& options, const Target& target)
      : options_(options),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        message_(options.size, 'x'),
        input_(std::max<std::size_t>(64 * 1024, options.size)),
        pingers_(options.connections) {
    for (std::size_t i = 0; i < pingers_.size(); ++i) {
      pingers_[i].fd = connect_to(target.port);
      reset_on_close(pingers_[i].fd);
      watch(epoll_, EPOLL_CTL_ADD, pingers_[i].fd, EPOLLIN, i);
    }
  }

  ~EchoLoad() override {
    for (const Pinger& pinger : pingers_) ::close(pinger.fd);
    ::close(epoll_);
  }

  void begin_all() override {
    for (Pinger& pinger : pingers_) ping(pinger);
  }

 private:
  bool serve(int milliseconds) override {
    const auto ready = wait(epoll_, events_, milliseconds);
    for (const epoll_event& event : ready) {
      Pinger& pinger = pingers_[event.data.u64];
      if ((event.events & EPOLLOUT) != 0) push(pinger);
      if ((event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) pull(pinger);
    }
    return !ready.empty();
  }

  void ping(Pinger& pinger) {
    pinger.unsent = pinger.missing = options_.size;
    pinger.sent_at = now_ns();
    ++outstanding_;
    push(pinger);
  }

  void push(Pinger& pinger) {
    const char* rest = message_.data() + (message_.size() - pinger.unsent);
    const ssize_t sent = ::send(pinger.fd, rest, pinger.unsent, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) fail("send");
    if (sent > 0) pinger.unsent -= static_cast<std::size_t>(sent);
    const bool blocked = pinger.unsent > 0;
    if (blocked == pinger.watches_output) return;
    pinger.watches_output = blocked;
    watch(epoll_, EPOLL_CTL_MOD, pinger.fd,
          blocked ? EPOLLIN | EPOLLOUT : static_cast<std::uint32_t>(EPOLLIN),
          static_cast<std::uint64_t>(&pinger - pingers_.data()));
  }

  void pull(Pinger& pinger) {
    const ssize_t got = ::recv(pinger.fd, input_.data(), input_.size(), 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got == 0) errno = ECONNRESET;
    if (got <= 0 || static_cast<std::size_t>(got) > pinger.missing) fail("recv");
    pinger.missing -= static_cast<std::size_t>(got);
    if (pinger.missing > 0) return;
    --outstanding_;
    completed(now_ns() - pinger.sent_at);
    if (!stopping_) ping(pinger);
  }

  const ClientOptions& options_;
  const int epoll_;
  const std::vector<char> message_;
  std::vector<char> input_;
  std::vector<Pinger> pingers_;
  Events events_;
};

}  // namespace

std::unique_ptr<Load> make_echo(const ClientOptions& options, const Target& target) {
  return std::make_unique<EchoLoad>(options, target);
}

}  // namespace leat::bench
