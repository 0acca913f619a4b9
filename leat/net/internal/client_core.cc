#include "leat/net/internal/client_core.h"

#include <sys/random.h>

#include <cerrno>
#include <utility>

#include "leat/base/assert.h"
#include "leat/base/logging.h"
#include "leat/net/internal/connector.h"
#include "leat/net/internal/name_connector.h"
#include "leat/net/tls_context.h"

namespace leat::internal {

namespace {

/// Differs between processes and machines, or their jitter would not scatter them.
std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) == sizeof seed) return seed;
  return static_cast<std::uint64_t>(monotonic_now().time_since_epoch().count());
}

}  // namespace

ClientCore::ClientCore(EventLoop& loop, TcpClientOptions options, std::string peer_name)
    : loop_(loop),
      options_(std::move(options)),
      peer_name_(std::move(peer_name)),
      profile_(std::make_shared<ConnectionProfile>()),
      backoff_(options_.retry, random_seed()) {
  loop_.assert_in_loop_thread();
  profile_->options = options_.connection;
  profile_->tls = options_.tls;
  profile_->tls_server_name = options_.tls_server_name;
  exit_id_ = loop_.at_exit([this] { tear_down(CloseReason::kLoopEnded); });
}

ClientCore::ClientCore(EventLoop& loop, const InetAddress& peer, TcpClientOptions options)
    : ClientCore(loop, std::move(options), peer.to_string()) {
  peer_ = peer;
  if (profile_->tls_server_name.empty() && peer.is_ip()) {
    const std::string host = peer.unmapped().host();
    profile_->tls_server_name = host.substr(0, host.find('%'));
  }
  dialler_ = std::make_unique<Connector>(loop, peer,
                                         Connector::Options{.timeout = options_.connect_timeout,
                                                            .bind_to = options_.bind_to,
                                                            .connection = options_.connection},
                                         finish());
}

ClientCore::ClientCore(EventLoop& loop, const HostPort& peer, TcpClientOptions options)
    : ClientCore(loop, std::move(options), peer.to_string()) {
  if (profile_->tls_server_name.empty()) {
    // Neither a zone nor the dot of a name that is not searched for is part of a certificate's.
    std::string host = peer.host.substr(0, peer.host.find('%'));
    if (host.ends_with('.')) host.pop_back();
    profile_->tls_server_name = std::move(host);
  }
  dialler_ = std::make_unique<NameConnector>(
      loop, peer,
      NameConnector::Options{.timeout = options_.connect_timeout,
                             .bind_to = options_.bind_to,
                             .connection = options_.connection,
                             .happy_eyeballs = options_.happy_eyeballs},
      options_.resolver, finish());
}

Dialler::DoneCallback ClientCore::finish() {
  return [this](Result<ConnectedSocket> socket) { finish_attempt(std::move(socket)); };
}

ConnectionCallbacks& ClientCore::callbacks() {
  LEAT_ASSERT(!used_, "callbacks must be set before connect()");
  return profile_->callbacks;
}

void ClientCore::on_connect_failed(TcpClient::ConnectFailed callback) {
  LEAT_ASSERT(!used_, "callbacks must be set before connect()");
  connect_failed_ = std::move(callback);
}

void ClientCore::on_attempt_failed(TcpClient::AttemptFailed callback) {
  LEAT_ASSERT(!used_, "callbacks must be set before connect()");
  attempt_failed_ = std::move(callback);
}

bool ClientCore::is_connecting() const {
  const bool in_handshake = connection_ && !connection_->is_announced();
  return dialler_->is_connecting() || delay_timer_.is_valid() || in_handshake;
}

Result<void> ClientCore::connect() {
  const auto refuse = [this](int number) {
    return Error::from_errno(number, "connect " + peer_name_);
  };
  if (torn_down_) return refuse(ESHUTDOWN);
  if (options_.tls && options_.tls->is_server()) {
    return Error::invalid_argument("TcpClient: tls is a context for servers");
  }
  loop_.assert_in_loop_thread();
  used_ = true;
  if (is_connecting() || connect_at_once_) return refuse(EALREADY);
  if (connection_ && connection_->state() != TcpConnection::State::kClosed) return refuse(EISCONN);
  attempts_ = 0;
  backoff_.reset();
  if (connection_) {
    connect_at_once_ = true;
  } else {
    attempt();
  }
  return {};
}

void ClientCore::disconnect() {
  if (torn_down_) return;
  loop_.assert_in_loop_thread();
  dialler_->cancel();
  loop_.cancel(std::exchange(delay_timer_, {}));
  reconnect_ = false;
  connect_at_once_ = false;
  if (connection_) connection_->close();
}

void ClientCore::abandon(std::shared_ptr<ClientCore> core) {
  // Once torn down before, its loop may be gone.
  if (core->torn_down_) return;
  EventLoop& loop = core->loop_;
  core->tear_down(CloseReason::kAborted);
  loop.release_later(std::move(core));
}

void ClientCore::tear_down(CloseReason reason) {
  if (std::exchange(torn_down_, true)) return;
  // on_close may destroy the client.
  const std::shared_ptr<ClientCore> self = shared_from_this();
  loop_.assert_in_loop_thread();
  loop_.cancel_at_exit(exit_id_);
  dialler_->cancel();
  loop_.cancel(std::exchange(delay_timer_, {}));
  if (const TcpConnectionPtr connection = connection_) connection->finish(reason);
}

// Attempts.

void ClientCore::attempt() {
  ++attempts_;
  dialler_->start();
}

void ClientCore::attempt_after(Duration delay) {
  delay_timer_ = loop_.run_after(delay, [this] {
    delay_timer_ = {};
    attempt();
  });
}

void ClientCore::finish_attempt(Result<ConnectedSocket> socket) {
  // The callbacks below may destroy the client.
  const std::shared_ptr<ClientCore> self = shared_from_this();
  if (socket) {
    adopt(std::move(*socket));
  } else {
    fail_attempt(socket.error());
  }
}

void ClientCore::fail_attempt(const Error& error) {
  const std::size_t attempt = attempts_;
  const RetryOptions& retry = options_.retry;
  const bool again = retry.enabled && (retry.max_attempts == 0 || attempt < retry.max_attempts);
  std::optional<Duration> delay;
  if (again) {
    delay = backoff_.next();
    attempt_after(*delay);
  }
  LEAT_LOG_DEBUG("{}: attempt {} failed, {}: {}", options_.name, attempt,
                 again ? "there will be another" : "which is the last", error.message());
  if (attempt_failed_) attempt_failed_(error, attempt, delay);
  // That callback may have ended the client, or begun something new.
  const bool given_up = !again && !torn_down_ && !is_connecting();
  if (given_up && connect_failed_) connect_failed_(error, attempt);
}

// The connection.

void ClientCore::adopt(ConnectedSocket socket) {
  peer_ = socket.peer;
  reconnect_ = options_.reconnect_after_close;
  connection_ =
      std::make_shared<TcpConnection>(loop_, std::move(socket), next_id_++, profile_, *this);
  counters_.accepted.add();
  counters_.open.add();
  const TcpConnectionPtr connection = connection_;
  connection->establish();
}

void ClientCore::connection_closed(TcpConnection& connection) {
  if (connection.is_announced()) attempts_ = 0;
  // A peer that takes connections only to drop them is in trouble too.
  if (connection.bytes_received() > 0) backoff_.reset();
  counters_.open.subtract();
  loop_.release_later(std::exchange(connection_, nullptr));
  if (torn_down_) return;
  if (!connection.is_announced()) {
    if (connection.start_error() != nullptr) {
      fail_attempt(*connection.start_error());
    } else if (connection.close_reason() == CloseReason::kError ||
               connection.close_reason() == CloseReason::kHandshakeFailed) {
      fail_attempt(Error::from_errno(ENOMEM, {}));  // there was no memory to say more
    }
  } else if (std::exchange(connect_at_once_, false)) {
    attempt();
  } else if (reconnect_) {
    attempt_after(backoff_.next());
  }
}

}  // namespace leat::internal
