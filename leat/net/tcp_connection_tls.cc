// TLS below a connection.

#include <cerrno>
#include <utility>

#include "leat/net/internal/send_queue.h"
#include "leat/net/internal/tls_transport.h"
#include "leat/net/tcp_connection.h"
#include "leat/net/tls_context.h"
#include "leat/reactor/event_loop.h"

namespace leat {

/// Does all of it, or fails and has done nothing. `early` are words of the peer's that came before.
Result<void> TcpConnection::put_tls_below(const TlsContext& context, std::string_view server_name,
                                          std::string_view early) {
  Result<std::unique_ptr<internal::TlsTransport>> made =
      internal::TlsTransport::make(home(), context, server_name, *send_queue_, *counters_);
  if (!made) return made.error();
  if (!early.empty()) (*made)->feed_early(early);
  auto queue = std::make_unique<internal::SendQueue>(home().buffers());
  std::swap(queue, send_queue_);
  tls_ = made->get();
  tls_->attach(std::move(transport_), std::move(queue), started_, bytes_sent_.load());
  transport_ = std::move(*made);
  return {};
}

Result<void> TcpConnection::start_tls(const std::shared_ptr<TlsContext>& context,
                                      ConnectionCallbacks::Event on_ready,
                                      std::string_view server_name) {
  home().assert_in_loop_thread();
  if (!context) return Error::invalid_argument("start_tls without a context");
  if (state() != State::kOpen || finish_ != Finish::kNo || peer_finished_) {
    return Error::from_errno(EPIPE, "start_tls on a connection that is closing");
  }
  if (move_) return Error::from_errno(EBUSY, "start_tls on a connection that is moving");
  if (tls_ != nullptr) return Error::from_errno(EALREADY, "start_tls on a connection with TLS");
  auto then = std::make_unique<ConnectionCallbacks::Event>(std::move(on_ready));
  const std::uint64_t in_clear = send_queue_->total_bytes();
  Result<void> done = put_tls_below(*context, server_name, receive_buffer_.view());
  if (!done) return done;
  on_tls_ready_ = std::move(then);
  receive_buffer_.consume_all();
  // The transport goes on with what waited here.
  if (in_clear > 0) note_sent(in_clear);
  done = transport_->start(*this);
  if (!done) {
    end_soon(CloseReason::kHandshakeFailed);
    return done;
  }
  resume(kByFullBuffer);
  watch_input();
  return {};
}

std::optional<TlsInfo> TcpConnection::tls() const {
  if (tls_ == nullptr || !tls_->is_ready()) return std::nullopt;
  return tls_->info();
}

}  // namespace leat
