// Public: lets a new process take over this one's listeners.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/base/move_only_function.h"
#include "leat/base/result.h"
#include "leat/base/unique_fd.h"
#include "leat/net/acceptor.h"
#include "leat/net/inet_address.h"
#include "leat/net/listener_set.h"
#include "leat/reactor/channel.h"
#include "leat/reactor/timer_id.h"

namespace leat {

class EventLoop;
namespace internal {
class BoundUnixPath;
struct TakeoverMessage;
}  // namespace internal

struct TakeoverServerOptions {
  /// How long who has connected may take to ask.
  Duration request_time = std::chrono::seconds(1);
  /// How long a successor may take to serve, from its request on.
  Duration ready_time = std::chrono::seconds(30);
};

/// Waits at a Unix socket for a successor (Takeover), gives it this process's listeners, and tells
/// when the successor serves: then it is time for TcpServer::disown_listeners() and stop(). The
/// states, and what happens on each failure, are drawn in docs/decisions/restart.md.
///
///     auto takeover = leat::TakeoverServer::listen(*loop, path).value();
///     takeover->on_request([&] { return server.duplicate_listeners(); });
///     takeover->on_handed_over([&] {
///       server.disown_listeners();
///       server.stop(10s, [&](const auto&) { loop->quit(); });
///     });
///     takeover->start().value();
///
/// One successor at a time, of this process's user; others are refused. Whatever they do, and if
/// they vanish, this process serves on. All methods and the destructor belong to the loop's
/// thread. Nothing blocks; every wait has a limit. Not to be destroyed by its own callbacks.
class TakeoverServer {
 public:
  using RequestCallback = MoveOnlyFunction<Result<ListenerSet>()>;
  using HandedOverCallback = MoveOnlyFunction<void()>;
  using FailedCallback = MoveOnlyFunction<void(const Error&)>;

  /// Binds `address`, a Unix path (which only this user may open: mode 0600) or an abstract name.
  /// A path left over from a process that is gone is bound again. Fails as bind() does;
  /// EADDRINUSE if somebody listens there, EINVAL for an address that is not Unix.
  [[nodiscard]] static Result<std::unique_ptr<TakeoverServer>> listen(
      EventLoop& loop, const InetAddress& address, TakeoverServerOptions options = {});
  /// On the socket that a Takeover brought with it: its path never was without a listener.
  TakeoverServer(EventLoop& loop, UniqueFd listener, TakeoverServerOptions options = {});
  /// Closes the socket, and removes its path unless the successor has it.
  ~TakeoverServer();
  TakeoverServer(const TakeoverServer&) = delete;
  TakeoverServer& operator=(const TakeoverServer&) = delete;

  // Callbacks, before start().

  /// Gives what a successor shall have: duplicates, for until it serves this process goes on. An
  /// error refuses the request, and the successor is told its message.
  void on_request(RequestCallback callback) { on_request_ = std::move(callback); }
  /// The successor serves. It comes once; nothing is taken over from this process any more.
  void on_handed_over(HandedOverCallback callback) { on_handed_over_ = std::move(callback); }
  /// A takeover has failed, or was refused, and this process serves on; for the log.
  void on_failed(FailedCallback callback) { on_failed_ = std::move(callback); }

  /// Begins to wait. Fails if the socket cannot be watched (see Channel).
  Result<void> start();

  /// A successor has the listeners and has not said yet that it serves.
  [[nodiscard]] bool is_offered() const { return state_ == State::kOffered; }

 private:
  enum class State : std::uint8_t { kWaiting, kAsked, kOffered, kHandedOver };

  void take_in(std::vector<ConnectedSocket>&& peers);
  void greet(UniqueFd peer);
  void refuse(int peer, const Error& reason);
  void handle_message();
  void handle(const internal::TakeoverMessage& message);
  void offer();
  Result<void> send_listeners(ListenerSet set);
  void hand_over();
  void give_up(const Error& reason);
  void forget_peer();
  void limit(Duration time, const char* what);

  EventLoop& loop_;
  const TakeoverServerOptions options_;
  std::unique_ptr<internal::BoundUnixPath> path_;
  std::unique_ptr<Acceptor> acceptor_;
  State state_ = State::kWaiting;
  UniqueFd peer_;
  std::shared_ptr<Channel> channel_;
  TimerId timer_;
  RequestCallback on_request_;
  HandedOverCallback on_handed_over_;
  FailedCallback on_failed_;
};

}  // namespace leat
