#include "leat/net/internal/listener_core.h"

#include <utility>

#include "leat/base/assert.h"
#include "leat/base/log_rate_limit.h"
#include "leat/net/internal/socket_ops.h"

namespace leat::internal {

// The wait.

bool AcceptWait::begin() {
  return core_->begin_accept(*this);
}

void AcceptWait::cancel() {
  unlink();
  resume_soon();
}

Result<TcpConnectionPtr> AcceptWait::await_resume() {
  if (!socket_) return cancelled("accept");
  ConnectedSocket socket = std::move(*socket_);
  socket_.reset();
  return core_->adopt(std::move(socket));
}

// The listener.

ListenerCore::ListenerCore(EventLoop& loop, TcpListenerOptions options)
    : loop_(loop),
      options_(options),
      keeper_(std::make_shared<ConnectionKeeper>(loop, options.connection)) {}

Result<void> ListenerCore::listen(const InetAddress& address) {
  Result<std::unique_ptr<Acceptor>> acceptor = Acceptor::listen(
      loop_, address,
      AcceptorOptions{
          .batch = options_.batch, .exclusive = false, .counters = &keeper_->counters()});
  if (!acceptor) return std::move(acceptor).error();
  acceptor_ = std::move(*acceptor);
  acceptor_->on_accept(
      [this](std::vector<ConnectedSocket>&& sockets) { take(std::move(sockets)); });
  Result<void> started = acceptor_->start();
  if (!started) return started;
  exit_id_ = loop_.at_exit([this] { close(); });
  return {};
}

void ListenerCore::close() {
  if (std::exchange(closed_, true)) return;
  loop_.assert_in_loop_thread();
  loop_.cancel_at_exit(exit_id_);
  while (AcceptWait* wait = waits_.pop_front()) wait->give_up();
  sockets_.clear();
  if (!acceptor_) return;
  if (!in_callback_) {
    acceptor_.reset();
    return;
  }
  // A task that it made go on is the one that calls here.
  acceptor_->pause();
  loop_.release_later(std::shared_ptr<Acceptor>(std::move(acceptor_)));
  loop_.release_later(shared_from_this());
}

bool ListenerCore::begin_accept(AcceptWait& wait) {
  if (closed_) return false;
  if (sockets_.empty()) {
    waits_.push_back(wait);
    return true;
  }
  wait.give(std::move(sockets_.front()));
  sockets_.pop_front();
  if (sockets_.empty() && std::exchange(is_paused_, false)) acceptor_->resume();
  return false;
}

TcpConnectionPtr ListenerCore::adopt(ConnectedSocket socket) {
  const Result<void> applied =
      apply_to_accepted(socket.fd.get(), options_.connection, socket.peer.family());
  if (!applied) LEAT_LOG_WARN_LIMITED("{}", applied.error().message());
  return keeper_->adopt(std::move(socket));
}

void ListenerCore::take(std::vector<ConnectedSocket>&& sockets) {
  const std::shared_ptr<ListenerCore> self = shared_from_this();
  for (ConnectedSocket& socket : sockets) sockets_.push_back(std::move(socket));
  if (sockets_.size() >= options_.batch && waits_.empty()) {
    is_paused_ = true;
    acceptor_->pause();
  }
  // Whoever goes on may accept again, or destroy the listener.
  in_callback_ = true;
  while (!closed_ && !sockets_.empty()) {
    AcceptWait* wait = waits_.pop_front();
    if (wait == nullptr) break;
    wait->give(std::move(sockets_.front()));
    sockets_.pop_front();
    wait->resume();
  }
  in_callback_ = false;
}

}  // namespace leat::internal

namespace leat {

TcpListener::TcpListener(std::shared_ptr<internal::ListenerCore> core) : core_(std::move(core)) {}

TcpListener::~TcpListener() {
  core_->close();
}

Result<std::unique_ptr<TcpListener>> TcpListener::listen(EventLoop& loop,
                                                         const InetAddress& address,
                                                         TcpListenerOptions options) {
  LEAT_ASSERT(options.batch > 0, "a listener that may accept nothing");
  auto core = std::make_shared<internal::ListenerCore>(loop, options);
  const Result<void> listening = core->listen(address);
  if (!listening) return listening.error();
  return std::unique_ptr<TcpListener>(new TcpListener(std::move(core)));
}

internal::AcceptWait TcpListener::accept() {
  return internal::AcceptWait(core_);
}

Result<InetAddress> TcpListener::address() const {
  const Acceptor* acceptor = core_->acceptor();
  if (acceptor == nullptr) return Error::from_errno(ESHUTDOWN, "address of a listener");
  return acceptor->address();
}

const NetCounters& TcpListener::counters() const {
  return core_->counters();
}

}  // namespace leat
