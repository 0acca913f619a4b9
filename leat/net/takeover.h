// Public: takes over the listeners of the process before this one.
#pragma once

#include <cstdint>
#include <memory>

#include "leat/base/monotonic_time.h"
#include "leat/base/move_only_function.h"
#include "leat/base/result.h"
#include "leat/base/unique_fd.h"
#include "leat/net/inet_address.h"
#include "leat/net/listener_set.h"
#include "leat/reactor/channel.h"
#include "leat/reactor/timer_id.h"

namespace leat {

class EventLoop;

/// The new process's side of a hand-over; the old one has a TakeoverServer.
///
///     auto takeover = leat::Takeover::request(path, 5s);
///     if (takeover) {
///       server.listen(address, takeover->listeners()).value();
///       server.start().value();
///       takeover->ready(*loop, 5s, [&](const leat::Result<void>& done) {
///         if (done) server.own_listeners();
///       });
///     }
///
/// Until ready() the old process serves too and gives nothing up: if this one ends, all is as it
/// was. Belongs to one thread, that of ready()'s loop.
class Takeover {
 public:
  /// Asks the process that waits at `address` for its listeners, and waits at most `limit` for
  /// them: before this process's loops run, or on a BlockingPool.
  ///
  /// Fails with ENOENT or ECONNREFUSED if nobody waits there, which is what the first process of
  /// all finds; EACCES if the path may not be opened; EPROTOTYPE if it is another kind of socket;
  /// EPERM if either process finds that the other is of another user; EBUSY with the reason if
  /// the old process refuses; ETIMEDOUT; EPROTO for an answer that makes no sense; EMFILE.
  [[nodiscard]] static Result<Takeover> request(const InetAddress& address, Duration limit);

  Takeover(Takeover&& other) noexcept;
  Takeover& operator=(Takeover&&) = delete;
  Takeover(const Takeover&) = delete;
  Takeover& operator=(const Takeover&) = delete;
  /// Before ready(): the old process goes on alone. No callback comes afterwards.
  ~Takeover();

  /// Of the old process, to be taken by TcpServer::listen() and UdpSocket::adopt().
  [[nodiscard]] ListenerSet& listeners();
  /// The listener of the takeover socket itself, for this process's own TakeoverServer; start that
  /// when ready() has succeeded. Once.
  [[nodiscard]] UniqueFd take_path_listener();

  using DoneCallback = MoveOnlyFunction<void(const Result<void>&)>;
  /// Tells the old process that this one serves, and calls back on `loop` when that has let go.
  /// Once.
  ///
  /// Success also if the old process ends meanwhile, however: this one has the listeners then. If
  /// it fails (EBUSY: the old process has given up on this one and serves on; ETIMEDOUT: it does
  /// not answer) two processes serve, and this one should end.
  void ready(EventLoop& loop, Duration limit, DoneCallback done);

 private:
  struct State;
  explicit Takeover(std::unique_ptr<State> state);
  static Result<Takeover> request_once(const InetAddress& address, MonotonicTime deadline);

  std::unique_ptr<State> state_;
};

}  // namespace leat
