#include "leat/net/takeover_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "leat/base/assert.h"
#include "leat/net/internal/bind_error.h"
#include "leat/net/internal/bound_unix_path.h"
#include "leat/net/internal/takeover_message.h"
#include "leat/net/internal/unix_path_guard.h"
#include "leat/reactor/event_loop.h"

namespace leat {

namespace {

using internal::TakeoverMessage;
using internal::TakeoverSocketKind;

constexpr int kBacklog = 16;

Result<UniqueFd> open_path(const InetAddress& address) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return Error::from_errno(errno, "socket");
  // Before bind(), which gives the path this mode, so that it never is open to others.
  ::fchmod(socket.get(), S_IRUSR | S_IWUSR);
  internal::UnixPathGuard guard;
  if (auto locked = guard.lock(address); !locked) return std::move(locked).error();
  const int failed = internal::bind_patiently(socket.get(), address);
  if (failed != 0) return internal::bind_error(failed, "bind", address, true);
  if (::listen(socket.get(), kBacklog) != 0) {
    return internal::bind_error(errno, "listen", address, true);
  }
  return socket;
}

TakeoverSocketKind kind_of(const ListenerSocket& socket) {
  return socket.removes_path ? TakeoverSocketKind::kListener : TakeoverSocketKind::kKeepsItsPath;
}

}  // namespace

Result<std::unique_ptr<TakeoverServer>> TakeoverServer::listen(EventLoop& loop,
                                                               const InetAddress& address,
                                                               TakeoverServerOptions options) {
  if (address.is_ip() || address.path().empty()) {
    return Error::invalid_argument("takeover on " + address.to_string());
  }
  Result<UniqueFd> socket = open_path(address);
  if (!socket) return std::move(socket).error();
  return std::make_unique<TakeoverServer>(loop, *std::move(socket), options);
}

TakeoverServer::TakeoverServer(EventLoop& loop, UniqueFd listener, TakeoverServerOptions options)
    : loop_(loop),
      options_(options),
      path_(std::make_unique<internal::BoundUnixPath>(
          InetAddress::local_of(listener.get()).value_or(InetAddress()))),
      acceptor_(std::make_unique<Acceptor>(loop, std::move(listener))) {
  acceptor_->on_accept([this](std::vector<ConnectedSocket>&& peers) { take_in(std::move(peers)); });
}

TakeoverServer::~TakeoverServer() {
  loop_.cancel(timer_);
}

Result<void> TakeoverServer::start() {
  LEAT_ASSERT(on_request_ && on_handed_over_, "TakeoverServer::start() without its callbacks");
  return acceptor_->start();
}

void TakeoverServer::take_in(std::vector<ConnectedSocket>&& peers) {
  for (ConnectedSocket& peer : peers) greet(std::move(peer.fd));
}

void TakeoverServer::greet(UniqueFd peer) {
  if (const Result<void> same = internal::check_same_user(peer.get()); !same) {
    return refuse(peer.get(), same.error());
  }
  if (state_ != State::kWaiting) {
    return refuse(peer.get(),
                  Error::from_errno(EBUSY, "takeover: another process is taking over already"));
  }
  peer_ = std::move(peer);
  channel_ = std::make_shared<Channel>(loop_, peer_.get());
  channel_->on_read([this](Timestamp) { handle_message(); });
  state_ = State::kAsked;
  limit(options_.request_time, "asked for nothing");
  if (const Result<void> watched = channel_->enable_reading(); !watched) give_up(watched.error());
}

/// The successor learns why, as far as its socket takes it at once.
void TakeoverServer::refuse(int peer, const Error& reason) {
  TakeoverMessage message;
  message.kind = TakeoverMessage::Kind::kRefused;
  message.left = static_cast<std::uint32_t>(reason.number());
  message.text = reason.context();
  (void)internal::send_message(peer, message);
  if (on_failed_) on_failed_(reason);
}

void TakeoverServer::handle_message() {
  const Result<std::optional<TakeoverMessage>> received =
      internal::receive_message(peer_.get(), false);
  if (!received) return give_up(received.error());
  if (*received) handle(**received);
}

void TakeoverServer::handle(const TakeoverMessage& message) {
  using Kind = TakeoverMessage::Kind;
  if (state_ == State::kAsked && message.kind == Kind::kRequest) return offer();
  if (state_ == State::kOffered && message.kind == Kind::kReady) return hand_over();
  give_up(Error::from_errno(EPROTO, "takeover: a message out of turn"));
}

void TakeoverServer::offer() {
  Result<ListenerSet> set = on_request_();
  if (!set) return give_up(set.error());
  state_ = State::kOffered;
  limit(options_.ready_time, "did not serve");
  if (const Result<void> sent = send_listeners(*std::move(set)); !sent) give_up(sent.error());
}

Result<void> TakeoverServer::send_listeners(ListenerSet set) {
  if (set.size() > ListenerSet::kMostSockets) {
    return Error::from_errno(E2BIG, fmt::format("takeover of {} listeners", set.size()));
  }
  std::vector<ListenerSocket> sockets = set.take_all();
  TakeoverMessage message;
  message.kind = TakeoverMessage::Kind::kListeners;
  message.text.push_back(static_cast<char>(TakeoverSocketKind::kTakeover));
  message.sockets.emplace_back(::fcntl(acceptor_->fd(), F_DUPFD_CLOEXEC, 0));
  if (!message.sockets.back()) return Error::from_errno(errno, "takeover: duplicating its socket");
  std::size_t next = 0;
  do {
    while (next < sockets.size() && message.sockets.size() < TakeoverMessage::kMostSockets) {
      message.text.push_back(static_cast<char>(kind_of(sockets[next])));
      message.sockets.push_back(std::move(sockets[next].fd));
      ++next;
    }
    message.left = static_cast<std::uint32_t>(sockets.size() - next);
    if (auto sent = internal::send_message(peer_.get(), message); !sent) return sent;
    message.text.clear();
    message.sockets.clear();
  } while (next < sockets.size());
  return {};
}

/// The successor serves: this process lets go first, and says so then.
void TakeoverServer::hand_over() {
  state_ = State::kHandedOver;
  path_->forget();
  acceptor_.reset();
  on_handed_over_();
  TakeoverMessage message;
  message.kind = TakeoverMessage::Kind::kDone;
  const Result<void> sent = internal::send_message(peer_.get(), message);
  forget_peer();
  // It serves all the same, and takes the hang-up for an answer.
  if (!sent && on_failed_) on_failed_(sent.error());
}

void TakeoverServer::give_up(const Error& reason) {
  state_ = State::kWaiting;
  const UniqueFd peer = std::move(peer_);
  forget_peer();
  refuse(peer.get(), reason);
}

void TakeoverServer::forget_peer() {
  loop_.cancel(std::exchange(timer_, {}));
  if (channel_) {
    channel_->remove();
    // Often inside its own callback.
    loop_.release_later(std::exchange(channel_, nullptr));
  }
  peer_.reset();
}

void TakeoverServer::limit(Duration time, const char* what) {
  loop_.cancel(timer_);
  timer_ = loop_.run_after(time, [this, time, what] {
    timer_ = {};
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
    give_up(Error::from_errno(
        ETIMEDOUT, fmt::format("takeover: the new process {} within {} ms", what, milliseconds)));
  });
}

}  // namespace leat
