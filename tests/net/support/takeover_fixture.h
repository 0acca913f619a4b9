// Internal: a server that lets others take over, and one that does.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "leat/net/takeover.h"
#include "leat/net/takeover_server.h"

#include "support/raw_client.h"
#include "support/server_fixture.h"

namespace leat::testing {

inline constexpr Duration kLimit = std::chrono::seconds(10);

inline InetAddress takeover_name() {
  static std::atomic<int> next{0};
  return InetAddress::unix_abstract("leat-takeover-test-" + std::to_string(::getpid()) + "-" +
                                    std::to_string(next++))
      .value();
}

inline bool echoes(const InetAddress& address) {
  RawClient client(address);
  return client.connected() && client.send("hello") && client.read(5) == "hello";
}

/// A server that lets others take over.
class OldServer {
 public:
  explicit OldServer(TcpServerOptions options = {.loops = 2}, TakeoverServerOptions takeover = {})
      : fixture_(std::move(options)), path_(takeover_name()) {
    fixture_.server().on_message(echo);
    fixture_.start();
    run_on(fixture_.base(), [&] {
      takeover_ = TakeoverServer::listen(fixture_.base(), path_, takeover).value();
      takeover_->on_request([this] { return server().duplicate_listeners(); });
      takeover_->on_handed_over([this] {
        server().disown_listeners();
        server().stop(kLimit, [this](const StopReport&) { stopped = true; });
        handed_over = true;
      });
      takeover_->on_failed([this](const Error& error) {
        last_failure = error.number();
        ++failures;
      });
      takeover_->start().value();
    });
  }
  ~OldServer() { end(); }
  OldServer(const OldServer&) = delete;
  OldServer& operator=(const OldServer&) = delete;

  /// As if the process had crashed.
  void end() {
    run_on(fixture_.base(), [this] { takeover_.reset(); });
    fixture_.destroy();
  }

  [[nodiscard]] TcpServer& server() { return fixture_.server(); }
  [[nodiscard]] EventLoop& base() { return fixture_.base(); }
  [[nodiscard]] const InetAddress& address() const { return fixture_.address(); }
  [[nodiscard]] const InetAddress& path() const { return path_; }

  std::atomic<bool> handed_over{false};
  std::atomic<bool> stopped{false};
  std::atomic<int> failures{0};
  std::atomic<int> last_failure{0};

 private:
  ServerFixture fixture_;
  InetAddress path_;
  std::unique_ptr<TakeoverServer> takeover_;
};

/// A server that has taken over.
class NewServer {
 public:
  NewServer(Takeover takeover, const InetAddress& address, TcpServerOptions options = {.loops = 2})
      : takeover_(std::move(takeover)), fixture_(std::move(options)) {
    fixture_.server().on_message(echo);
    run_on(fixture_.base(), [&] {
      fixture_.server().listen(address, takeover_->listeners()).value();
      fixture_.server().start().value();
    });
  }
  ~NewServer() {
    run_on(fixture_.base(), [this] { takeover_.reset(); });
  }
  NewServer(const NewServer&) = delete;
  NewServer& operator=(const NewServer&) = delete;

  /// The errno value of ready(), 0 for success; -1 if it never answers.
  int ready(Duration limit = kLimit) {
    std::atomic<int> answer{-1};
    run_on(fixture_.base(), [&] {
      takeover_->ready(fixture_.base(), limit, [&](const Result<void>& done) {
        if (done) fixture_.server().own_listeners();
        answer = done ? 0 : done.error().number();
      });
    });
    (void)wait_until([&] { return answer != -1; });
    return answer;
  }

  [[nodiscard]] Takeover& takeover() { return *takeover_; }
  [[nodiscard]] ServerFixture& fixture() { return fixture_; }

 private:
  std::optional<Takeover> takeover_;
  ServerFixture fixture_;
};

inline int request_error(const InetAddress& path, Duration limit = kLimit) {
  const Result<Takeover> takeover = Takeover::request(path, limit);
  return takeover ? 0 : takeover.error().number();
}

/// Connected to a takeover socket, and no more.
inline UniqueFd plain_peer(const InetAddress& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), path.get(), path.size()) != 0) return {};
  return socket;
}

}  // namespace leat::testing
