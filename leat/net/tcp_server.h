// Public: listeners and their connections on every loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "leat/base/cpu_set.h"
#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/net/balance.h"
#include "leat/net/connection_callbacks.h"
#include "leat/net/connection_options.h"
#include "leat/net/inet_address.h"
#include "leat/net/listener_set.h"
#include "leat/net/net_counters.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/task.h"

namespace leat {

class EventLoop;
class EventLoopThreadPool;
class TlsContext;
namespace internal {
class ServerCore;
}

struct TcpServerOptions {
  std::string name = "server";
  /// Threads with a loop each, beside the base loop. 0: the base loop serves.
  std::size_t loops = 0;
  /// As far as resize_loops() may go; the threads beyond `loops` sleep until then. No more than
  /// `loops`, or 0: `loops` is the most. Without effect when `loops` is 0.
  std::size_t max_loops = 0;
  /// If not empty, loop i is pinned to the i-th of these CPUs, in turn.
  CpuSet cpus = {};
  /// What cannot be had is replaced by the next best; see TcpServer::balances().
  Balance balance = Balance::kKernelHash;
  /// Lets kIncomingCpu serve loopback addresses, where the clients' CPUs decide.
  bool force_balance = false;
  /// Length of each accept queue; the kernel caps it at net.core.somaxconn.
  int backlog = 4096;
  /// SO_REUSEADDR: a port whose old connections are in TIME_WAIT can be bound again.
  bool reuse_address = true;
  /// Lets other processes of the same user listen on the port as well (SO_REUSEPORT). Off, a
  /// second server on the port is refused, also with kKernelHash.
  bool share_port = false;
  /// With a listener on every loop (see Balance): resize_loops() keeps those of loops that stop
  /// accepting, and other loops accept from them. Off: those are closed, which spreads connections
  /// evenly over the rest, but loses requests that are half open there unless they migrate. What
  /// waits to be accepted is accepted first.
  bool keep_listeners = true;
  /// What waits in a listener that closes goes to others of its SO_REUSEPORT group, also to those
  /// of other processes (attach_request_migration()). A warning in the log says if neither this
  /// process nor the system can do it; it is never an error. A group has one program: that of
  /// kIncomingCpu, or of kStandby with share_port, comes first, and then only the system can do it
  /// (net.ipv4.tcp_migrate_req).
  bool migrate_requests = false;
  /// At stop(), connections that have not received anything yet, because their first bytes are
  /// still on the way, are asked to finish so much later. 0: at once, as all others.
  Duration first_input_grace{0};
  /// Connections taken from a listener in one go, before others on the loop have their turn.
  std::size_t accept_batch = 64;
  /// A loop that has so many connections stops accepting until one ends; it can pass this by
  /// one batch. 0: no bound but the number of descriptors.
  std::size_t max_connections_per_loop = 0;
  ConnectionOptions connection = {};
  /// Every connection begins with TLS, by this server context; on_connection follows the handshake.
  /// One whose handshake fails is only counted, and logged at level debug.
  std::shared_ptr<TlsContext> tls = nullptr;
};

/// What stop() did.
struct StopReport {
  std::size_t drained = 0;         ///< Connections that finished by themselves in time.
  std::size_t cut = 0;             ///< Connections cut at the deadline.
  std::uint64_t bytes_unsent = 0;  ///< Output lost with those.
};

/// A server for stream connections, TCP and Unix, on one or more addresses.
///
///     leat::TcpServer server(*loop, {.loops = 4});
///     server.on_message([](const auto& connection, auto& input, auto) {
///       connection->send(input.take_all());
///     });
///     server.listen(address).value();
///     server.start().value();
///
/// It belongs to the base loop's thread, and must be destroyed there; other methods say so if
/// they may be called from elsewhere. Its connections belong to the loops that accepted them.
class TcpServer {
 public:
  /// With loops of its own (options.loops); they start with start().
  explicit TcpServer(EventLoop& base, TcpServerOptions options = {});
  /// On the loops of a pool that others use too; it must be started before listen() and outlive
  /// the server. `options.loops` and `options.cpus` are not used.
  TcpServer(EventLoop& base, EventLoopThreadPool& pool, TcpServerOptions options = {});
  /// Cuts what is left, waits until every loop has let go, then ends the loops of its own. No
  /// callback runs afterwards. Not from one of the server's own callbacks.
  ~TcpServer();
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;

  // Callbacks, before start(). See ConnectionCallbacks for what each means.

  void on_connection(ConnectionCallbacks::Event callback);
  void on_message(decltype(ConnectionCallbacks::on_message) callback);
  void on_write_complete(ConnectionCallbacks::Event callback);
  void on_high_water(decltype(ConnectionCallbacks::on_high_water) callback);
  void on_low_water(ConnectionCallbacks::Event callback);
  void on_half_close(ConnectionCallbacks::Event callback);
  void on_error(decltype(ConnectionCallbacks::on_error) callback);
  void on_close(decltype(ConnectionCallbacks::on_close) callback);
  void on_stopping(ConnectionCallbacks::Event callback);
  void set_callbacks(ConnectionCallbacks callbacks);
  /// Serves each connection by a task of its own, beside the callbacks (on_message is then not
  /// called). It begins after on_connection, on the connection's loop. When it returns, the
  /// connection is closed as by close(); an exception cuts it (CloseReason::kCallbackException). A
  /// task whose connection ends first is cancelled. At stop() reads end, without on_stopping, as
  /// if the peer had finished, so that a task which has answered what has come returns; what is
  /// left when the server is destroyed is dropped. One function serves all loops at once.
  void serve(std::function<Task<>(TcpConnectionPtr)> handler);
  /// Runs on each loop of the server's own when its thread starts.
  void on_loop_start(std::function<void(EventLoop&)> callback);

  // Running.

  /// Binds and listens; clients may connect from now on, and are served from start() on. Once
  /// for each address; port 0 takes a free one, see addresses(). Fails with what bind() and
  /// listen() fail with; for EADDRINUSE the message names the user who holds the port if it can.
  Result<void> listen(const InetAddress& address);
  /// The same with sockets that another process has bound, as many as `inherited` has for the
  /// address, which it takes out of there; binds what is missing, if anything. Their backlog and
  /// options become this server's. Their Unix paths are the other process's until own_listeners().
  Result<void> listen(const InetAddress& address, ListenerSet& inherited);
  /// Starts the loops and accepts. A second call does nothing. Fails if a thread, its loop or
  /// its pinning does; everything is then as before.
  Result<void> start();

  /// From now on `count` of the loops accept, the first ones: 1 to options.max_loops, or to the
  /// size of the pool. Connections stay where they are, so a loop that accepts no more is at work
  /// until its last one has ended. No listener is closed (but see keep_listeners), and no
  /// connection lost. Waits for the loops to have heard of it. Fails with EINVAL for another count,
  /// and as listen() does; then all is as before.
  Result<void> resize_loops(std::size_t count);

  // Handing over; docs/restart.md.

  /// A duplicate of each listener, for a process that shall have them.
  [[nodiscard]] Result<ListenerSet> duplicate_listeners() const;
  /// The process that the inherited listeners came from has let go of them (Takeover::ready() has
  /// succeeded): this one removes Unix paths at the end, but for those that systemd keeps.
  void own_listeners();
  /// Another process serves the listeners now. stop() will leave their queues to that, and Unix
  /// paths are left alone.
  void disown_listeners();

  using StopCallback = std::function<void(const StopReport&)>;
  /// Accepts what is already waiting in the queues, closes the listeners, lets connections
  /// finish (on_stopping) until `deadline` from now, then cuts the rest. Reports on the base
  /// loop, which must be running. A second call only adds its callback, and can bring the
  /// deadline forward. Any thread.
  void stop(Duration deadline, StopCallback done = {});

  // Queries.

  /// What was bound, with ports as the kernel gave them.
  [[nodiscard]] std::vector<InetAddress> addresses() const;
  /// How each of addresses() is served; settled by start() for those that were given before it.
  [[nodiscard]] std::vector<ListenerBalance> balances() const;
  [[nodiscard]] bool is_started() const;
  /// How many loops accept; see resize_loops().
  [[nodiscard]] std::size_t accepting_loops() const;
  /// The loops that serve connections, or may; empty before start().
  [[nodiscard]] std::vector<EventLoop*> loops() const;
  /// One set a loop, in the order of loops(). Any thread, while the server lives.
  [[nodiscard]] std::vector<const NetCounters*> counters() const;
  /// What the Acceptor on the base loop has done (kRoundRobin); nothing with the other shapes.
  [[nodiscard]] const NetCounters& base_counters() const;
  /// Open connections on all loops. Any thread, while the server lives.
  [[nodiscard]] std::size_t connection_count() const;
  /// Runs `visit` on each loop of the server for each of its connections. Any thread.
  void for_each_connection(std::function<void(const TcpConnectionPtr&)> visit);
  /// The open connection with this id, from the thread of its loop; null if there is none.
  [[nodiscard]] TcpConnectionPtr find_connection(std::uint64_t id) const;

 private:
  std::shared_ptr<internal::ServerCore> core_;
};

}  // namespace leat
