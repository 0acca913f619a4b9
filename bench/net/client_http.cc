// Requests to an HTTP server: each connection sends some at once, and the next when all are
// answered.

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/net/client.h"
#include "bench/net/http_reader.h"
#include "bench/net/server.h"

namespace leat::bench {

namespace {

// That of the plaintext test by which HTTP servers are commonly compared, with its field Accept.
constexpr std::string_view kRequest =
    "GET /plaintext HTTP/1.1\r\n"
    "Host: server\r\n"
    "User-Agent: bench_client\r\n"
    "Accept: text/plain,text/html;q=0.9,application/xhtml+xml;q=0.9,application/xml;q=0.8,"
    "*/*;q=0.7\r\n"
    "Connection: keep-alive\r\n\r\n";

struct Visitor {
  int fd = -1;
  std::size_t awaited = 0;
  std::uint64_t sent_at = 0;
  HttpReader reader;
};

class HttpLoad final : public Load {
 public:
  HttpLoad(const ClientOptions& options, const Target& target)
      : depth_(options.depth),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        input_(64 * 1024),
        visitors_(options.connections) {
    for (std::size_t i = 0; i < depth_; ++i) requests_ += kRequest;
    for (std::size_t i = 0; i < visitors_.size(); ++i) {
      visitors_[i].fd = connect_to(target.port);
      reset_on_close(visitors_[i].fd);
      watch(epoll_, EPOLL_CTL_ADD, visitors_[i].fd, EPOLLIN, i);
    }
  }

  ~HttpLoad() override {
    for (const Visitor& visitor : visitors_) ::close(visitor.fd);
    ::close(epoll_);
  }

  void begin_all() override {
    for (Visitor& visitor : visitors_) ask(visitor);
  }

 private:
  bool serve(int milliseconds) override {
    const auto ready = wait(epoll_, events_, milliseconds);
    for (const epoll_event& event : ready) hear(visitors_[event.data.u64]);
    return !ready.empty();
  }

  void ask(Visitor& visitor) {
    visitor.awaited = depth_;
    visitor.sent_at = now_ns();
    ++outstanding_;
    // All answers to the last ones were read, so there is room for so little.
    const ssize_t sent = ::send(visitor.fd, requests_.data(), requests_.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(requests_.size())) fail("sending requests");
  }

  void hear(Visitor& visitor) {
    const ssize_t got = ::recv(visitor.fd, input_.data(), input_.size(), 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got == 0) errno = ECONNRESET;
    if (got <= 0) fail("receiving responses");
    const std::string_view bytes(input_.data(), static_cast<std::size_t>(got));
    const std::size_t answered = visitor.reader.feed(bytes, kContentSize);
    if (answered == 0) return;
    if (answered > visitor.awaited)
      throw std::runtime_error("there are more answers than requests");
    const std::uint64_t took = now_ns() - visitor.sent_at;
    for (std::size_t i = 0; i < answered; ++i) completed(took);
    visitor.awaited -= answered;
    if (visitor.awaited > 0) return;
    --outstanding_;
    if (!stopping_) ask(visitor);
  }

  static constexpr std::size_t kContentSize = std::string_view(kHello).size();

  const std::size_t depth_;
  const int epoll_;
  std::string requests_;
  std::vector<char> input_;
  std::vector<Visitor> visitors_;
  Events events_;
};

}  // namespace

std::unique_ptr<Load> make_http(const ClientOptions& options, const Target& target) {
  return std::make_unique<HttpLoad>(options, target);
}

}  // namespace leat::bench
