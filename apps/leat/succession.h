// Internal: where `leat serve` gets its listeners from, and who gets them next.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "leat/base/move_only_function.h"
#include "leat/base/result.h"
#include "leat/net/inet_address.h"
#include "leat/net/listener_set.h"
#include "leat/net/takeover.h"
#include "leat/net/takeover_server.h"
#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"

#include "apps/leat/event_log.h"

namespace leat::app {

/// Listeners from systemd, from the process before this one (--takeover PATH), and for the one
/// after it. docs/decisions/restart.md draws the states.
///
///     inherit() -> listen, start -> serve_on() -> waits for a successor -> on_succeeded
class Succession {
 public:
  struct Callbacks {
    /// A successor serves: this process shall drain.
    MoveOnlyFunction<void()> on_succeeded;
    /// The process before this one has given up on it and serves on: this one shall end.
    MoveOnlyFunction<void()> on_rejected;
  };

  /// `path`: empty without --takeover; "@NAME" for an abstract one.
  Succession(EventLoop& base, EventLog& log, std::string path, Callbacks callbacks)
      : base_(base), log_(log), path_(std::move(path)), callbacks_(std::move(callbacks)) {}

  /// Before anything is bound.
  Result<void> inherit();
  /// What there is to serve.
  [[nodiscard]] ListenerSet& listeners() { return listeners_; }
  /// When `server` has started.
  Result<void> serve_on(TcpServer& server);
  /// This process stops: nobody can take over from it any more.
  void end() {
    ended_ = true;
    server_.reset();
  }

 private:
  Result<void> ask_predecessor();
  void tell_inherited(const char* from, std::size_t count);
  void tell_unused();
  void predecessor_done(const Result<void>& done);
  Result<void> wait_for_successor();
  void hand_over();

  EventLoop& base_;
  EventLog& log_;
  const std::string path_;
  Callbacks callbacks_;
  InetAddress address_;
  ListenerSet listeners_;
  std::optional<Takeover> predecessor_;
  std::unique_ptr<TakeoverServer> server_;
  TcpServer* served_ = nullptr;
  bool ended_ = false;
};

}  // namespace leat::app
