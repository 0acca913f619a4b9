// Internal: what a TcpClient is made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "leat/net/internal/backoff.h"
#include "leat/net/internal/connection_owner.h"
#include "leat/net/internal/connection_profile.h"
#include "leat/net/internal/dialler.h"
#include "leat/net/tcp_client.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/event_loop.h"

namespace leat::internal {

/// Outlives its TcpClient until the end of the loop's iteration, because a callback that it called
/// may be what destroyed the client.
class ClientCore final : public ConnectionOwner, public std::enable_shared_from_this<ClientCore> {
 public:
  ClientCore(EventLoop& loop, const InetAddress& peer, TcpClientOptions options);
  ClientCore(EventLoop& loop, const HostPort& peer, TcpClientOptions options);

  /// Only before the first connect().
  [[nodiscard]] ConnectionCallbacks& callbacks();
  void on_connect_failed(TcpClient::ConnectFailed callback);
  void on_attempt_failed(TcpClient::AttemptFailed callback);

  Result<void> connect();
  void disconnect();
  /// The client is destroyed, perhaps by a callback that is still running.
  static void abandon(std::shared_ptr<ClientCore> core);
  /// Ends everything, now; a second call does nothing.
  void tear_down(CloseReason reason);

  [[nodiscard]] TcpConnectionPtr connection() const {
    return connection_ && connection_->is_announced() ? connection_ : nullptr;
  }
  [[nodiscard]] const InetAddress& peer() const { return peer_; }
  [[nodiscard]] const std::string& peer_name() const { return peer_name_; }
  [[nodiscard]] bool is_connecting() const;

  // ConnectionOwner
  void connection_closed(TcpConnection& connection) override;
  NetCounters& counters() override { return counters_; }

 private:
  ClientCore(EventLoop& loop, TcpClientOptions options, std::string peer_name);
  [[nodiscard]] Dialler::DoneCallback finish();
  void attempt();
  void attempt_after(Duration delay);
  void finish_attempt(Result<ConnectedSocket> socket);
  void fail_attempt(const Error& error);
  void adopt(ConnectedSocket socket);

  EventLoop& loop_;
  const TcpClientOptions options_;
  const std::string peer_name_;
  InetAddress peer_;  // of a name: where it was connected to last
  const std::shared_ptr<ConnectionProfile> profile_;
  TcpClient::ConnectFailed connect_failed_;
  TcpClient::AttemptFailed attempt_failed_;
  NetCounters counters_;
  Backoff backoff_;
  std::unique_ptr<Dialler> dialler_;
  TimerId delay_timer_;
  TcpConnectionPtr connection_;
  EventLoop::ExitId exit_id_ = 0;
  std::uint64_t next_id_ = 1;
  std::size_t attempts_ = 0;      // in a row without success
  bool used_ = false;             // connect() was called
  bool reconnect_ = false;        // after the present connection
  bool connect_at_once_ = false;  // connect() was called from on_close
  bool torn_down_ = false;
};

}  // namespace leat::internal
