// Public: a connection to one peer, made and kept up.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/net/connection_callbacks.h"
#include "leat/net/connection_options.h"
#include "leat/net/happy_eyeballs_options.h"
#include "leat/net/host_port.h"
#include "leat/net/inet_address.h"
#include "leat/net/net_counters.h"
#include "leat/net/retry_options.h"

namespace leat {

class EventLoop;
class Resolver;
class TlsContext;
namespace internal {
class ClientCore;
}

struct TcpClientOptions {
  std::string name = "client";
  /// For each attempt; 0: until the kernel gives up, which takes minutes. With a name, an attempt
  /// is its look-up and all of its addresses together.
  Duration connect_timeout = std::chrono::seconds(10);
  RetryOptions retry = {};
  /// Connects again when the connection has ended, whoever ended it, unless disconnect() was
  /// called. The first attempt follows after a delay of `retry`, and whether others follow it is
  /// for retry.enabled.
  bool reconnect_after_close = false;
  /// Local address, with port 0 for any. With a name, for the addresses of its family only.
  std::optional<InetAddress> bind_to = std::nullopt;
  ConnectionOptions connection = {};
  /// The connection begins with TLS, by this client context; on_connection follows the handshake.
  /// A handshake that fails is a failed attempt.
  std::shared_ptr<TlsContext> tls = nullptr;
  /// Whom the server's certificate must name, a host name or an IP address. Empty: the
  /// name by which it was connected, or else its IP address.
  std::string tls_server_name = {};

  // For names only.
  HappyEyeballsOptions happy_eyeballs = {};
  /// Of the same loop; null: Resolver::shared(), from the first connect() on.
  std::shared_ptr<Resolver> resolver = nullptr;
};

/// Connects to one peer, TCP or Unix, by its address or by the name of its host.
///
///     leat::TcpClient client(*loop, address, {.retry = {.enabled = true}});
///     client.on_connection([](const auto& connection) { connection->send("hello\n"); });
///     client.connect().value();
///
///                 connect()               done
///      +-----------+     +---------------+     +-----------+
///      |   idle    |---->|  connecting   |---->| connected |
///      +-----------+     +---------------+     +-----------+
///        ^   ^   ^         |  ^   failed,        |       |
///        |   |   |  failed |  |   and retry      |       | closed, and
///        |   |   +---------+  |   is on: a delay |       | reconnect_after_close:
///        |   |    for good    +------------------|-------+ a delay
///        |   +-----------------------------------+ closed
///        +--- disconnect() from any state; from connected by way of closing
///
/// With a name, `connecting` is one look-up and a race of its addresses (happy eyeballs, RFC 8305);
/// every attempt looks the name up again. When all addresses have failed, the attempt has, with
/// one error that names each:
///
///     AAAA  A      asked for together; A alone waits 50 ms for AAAA
///      |    |
///      v    v      in the order of RFC 6724, the families taking turns
///     [2001:db8::1] ------------------------------- x   given up
///          [192.0.2.1] ---------------------> done      250 ms later, or at once if one failed
///
/// All methods, and the destructor, belong to the loop's thread. When the loop ends, so does the
/// connection (CloseReason::kLoopEnded); a client that is left then does nothing any more.
class TcpClient {
 public:
  using ConnectFailed = std::function<void(const Error&, std::size_t attempts)>;
  using AttemptFailed =
      std::function<void(const Error&, std::size_t attempt, std::optional<Duration> retry_in)>;

  TcpClient(EventLoop& loop, const InetAddress& peer, TcpClientOptions options = {});
  /// By name, or by an address in digits: {"example.org", 443}. What the name is good for shows
  /// when connecting: no call here or of connect() fails for it (docs/names.md).
  TcpClient(EventLoop& loop, const HostPort& peer, TcpClientOptions options = {});
  /// Gives up an attempt, or cuts the connection, for which on_close is then called from here
  /// (CloseReason::kAborted): what the callbacks use must still be there, so declare the client
  /// behind it. No callback runs afterwards. Allowed at any moment, from callbacks of the client
  /// and its connection as well.
  ~TcpClient();
  TcpClient(const TcpClient&) = delete;
  TcpClient& operator=(const TcpClient&) = delete;

  // Callbacks, before connect(). See ConnectionCallbacks for what each means.

  void on_connection(ConnectionCallbacks::Event callback);
  void on_message(decltype(ConnectionCallbacks::on_message) callback);
  void on_write_complete(ConnectionCallbacks::Event callback);
  void on_high_water(decltype(ConnectionCallbacks::on_high_water) callback);
  void on_low_water(ConnectionCallbacks::Event callback);
  void on_half_close(ConnectionCallbacks::Event callback);
  void on_error(decltype(ConnectionCallbacks::on_error) callback);
  void on_close(decltype(ConnectionCallbacks::on_close) callback);
  void set_callbacks(ConnectionCallbacks callbacks);
  /// No connection, and no further attempt: the last error, and how many attempts there were.
  void on_connect_failed(ConnectFailed callback);
  /// One attempt has failed, the first, second ... in a row; the next one follows after
  /// `retry_in`, if any does. Before on_connect_failed.
  void on_attempt_failed(AttemptFailed callback);

  // Running.

  /// Begins to connect. Every outcome, also an immediate one, is told by callbacks, later. Fails,
  /// without any, with EALREADY during an attempt or a delay, with EISCONN during a connection,
  /// and with ESHUTDOWN after the loop's end. Works from on_close, and then begins at once.
  Result<void> connect();
  /// During an attempt or a delay: gives up, without a callback. During a connection: closes it
  /// as TcpConnection::close() does, and does not connect again.
  void disconnect();

  // Queries.

  /// The connection from on_connection to on_close; null at other times.
  [[nodiscard]] TcpConnectionPtr connection() const;
  /// Of a client by name: to which address the last connection was made; 0.0.0.0:0 before.
  [[nodiscard]] const InetAddress& peer() const;
  /// "example.org:443", or the address.
  [[nodiscard]] const std::string& peer_name() const;
  /// True during an attempt and during a delay before one.
  [[nodiscard]] bool is_connecting() const;
  /// Any thread, while the client lives. `accepted` counts the connections that were made.
  [[nodiscard]] const NetCounters& counters() const;

 private:
  std::shared_ptr<internal::ClientCore> core_;
};

}  // namespace leat
