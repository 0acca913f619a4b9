// New connections: each says one thing, hears it back, and ends.

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "bench/net/client.h"

namespace leat::bench {

namespace {

struct Visitor {
  int fd = -1;
  std::size_t missing = 0;
  bool sent = false;
  std::uint64_t began_at = 0;
};

class ChurnLoad final : public Load {
 public:
  ChurnLoad(const ClientOptions& options, const Target& target)
      : options_(options),
        port_(target.port),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        message_(options.size, 'x'),
        input_(options.size + 1),
        visitors_(options.connections) {}

  ~ChurnLoad() override { ::close(epoll_); }

  void begin_all() override {
    for (Visitor& visitor : visitors_) visit(visitor);
  }

 private:
  bool serve(int milliseconds) override {
    const auto ready = wait(epoll_, events_, milliseconds);
    for (const epoll_event& event : ready) go_on(visitors_[event.data.u64]);
    return !ready.empty();
  }

  void visit(Visitor& visitor) {
    visitor.began_at = now_ns();
    // Ended by FIN, the client's side stays in TIME_WAIT: many addresses have ports enough.
    const unsigned source = options_.reset ? 0 : 1 + next_source_++ % 250;
    visitor.fd = connect_to(port_, source);
    ++outstanding_;
    if (options_.reset) reset_on_close(visitor.fd);
    visitor.missing = options_.size;
    visitor.sent = false;
    const auto index = static_cast<std::uint64_t>(&visitor - visitors_.data());
    say(visitor);
    const std::uint32_t events = visitor.sent ? EPOLLIN : EPOLLIN | EPOLLOUT;
    watch(epoll_, EPOLL_CTL_ADD, visitor.fd, events, index);
  }

  /// On loopback the connection mostly stands when connect() returns.
  void say(Visitor& visitor) {
    const ssize_t sent = ::send(visitor.fd, message_.data(), message_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return;  // The reader finds the error.
    visitor.sent = sent > 0;
  }

  void go_on(Visitor& visitor) {
    if (!visitor.sent) {
      say(visitor);
      if (!visitor.sent) {
        end(visitor, false);
        return;
      }
      watch(epoll_, EPOLL_CTL_MOD, visitor.fd, EPOLLIN,
            static_cast<std::uint64_t>(&visitor - visitors_.data()));
    }
    const ssize_t got = ::recv(visitor.fd, input_.data(), input_.size(), 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got > 0 && static_cast<std::size_t>(got) <= visitor.missing) {
      visitor.missing -= static_cast<std::size_t>(got);
      if (visitor.missing > 0) return;
      if (!options_.reset) {
        // The server's FIN ends it.
        ::shutdown(visitor.fd, SHUT_WR);
        return;
      }
      end(visitor, true);
      return;
    }
    end(visitor, got == 0 && visitor.missing == 0);
  }

  void end(Visitor& visitor, bool complete) {
    ::close(visitor.fd);
    --outstanding_;
    if (complete) {
      completed(now_ns() - visitor.began_at);
    } else {
      failed_once();
    }
    if (!stopping_) visit(visitor);
  }

  const ClientOptions& options_;
  const std::uint16_t port_;
  const int epoll_;
  const std::vector<char> message_;
  std::vector<char> input_;
  std::vector<Visitor> visitors_;
  Events events_;
  unsigned next_source_ = 0;
};

}  // namespace

std::unique_ptr<Load> make_churn(const ClientOptions& options, const Target& target) {
  return std::make_unique<ChurnLoad>(options, target);
}

}  // namespace leat::bench
