#include "leat/net/internal/connector.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "leat/base/assert.h"
#include "leat/net/internal/socket_ops.h"

namespace leat::internal {

namespace {

/// A Unix listener whose queue is full says EAGAIN, and nothing to wait for (man 2 connect).
constexpr Duration kUnixQueueFullDelay = std::chrono::milliseconds(10);

}  // namespace

Connector::Connector(EventLoop& loop, const InetAddress& peer, Options options, DoneCallback done)
    : loop_(loop), peer_(peer), options_(std::move(options)), done_(std::move(done)) {}

void Connector::start() {
  LEAT_ASSERT(!connecting_, "start() during an attempt");
  connecting_ = true;
  if (options_.timeout > Duration::zero()) {
    timeout_timer_ = loop_.run_after(options_.timeout, [this] {
      timeout_timer_ = {};
      const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(options_.timeout);
      fail(error(ETIMEDOUT, fmt::format("after {} ms", limit.count())));
    });
  }
  Result<void> prepared = prepare();
  if (!prepared) {
    fail_soon(std::move(prepared).error());
    return;
  }
  try_connect();
}

Result<void> Connector::prepare() {
  Result<UniqueFd> socket = open_stream_socket(peer_.domain());
  if (!socket) return error(socket.error().number(), "no socket");
  socket_ = std::move(*socket);
  const int fd = socket_.get();
  Result<void> applied = apply_options(fd, options_.connection, peer_.family());
  if (!applied || !options_.bind_to) return applied;

  const InetAddress& local = *options_.bind_to;
  if (local.is_ip() && local.port() == 0) {
    // Without a port of its own yet, so that it may share one with connections to other peers.
    // Where the option is unknown (emulators, Linux before 4.2) there are fewer ports, no more.
    const int on = 1;
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  } else if (local.is_ip()) {
    applied = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
  }
  if (!applied) return applied;
  if (::bind(fd, local.get(), local.size()) == 0) return {};
  const int number = errno;
  return error(number, "from " + local.to_string());
}

void Connector::try_connect() {
  if (::connect(socket_.get(), peer_.get(), peer_.size()) == 0) {
    watch();
    return;
  }
  const int number = errno;
  if (number == EINPROGRESS || number == EINTR) {
    watch();
  } else if (number == EAGAIN && !peer_.is_ip()) {
    soon_timer_ = loop_.run_after(kUnixQueueFullDelay, [this] {
      soon_timer_ = {};
      try_connect();
    });
  } else {
    fail_soon(error(number));
  }
}

/// A socket that is connected already is writable at once, so that one way serves for all.
void Connector::watch() {
  channel_ = std::make_unique<Channel>(loop_, socket_.get());
  channel_->on_write([this] { handle_ready(); });
  channel_->on_error([this] { handle_ready(); });
  channel_->on_close([this] { handle_ready(); });
  const Result<void> watched = channel_->enable_writing();
  if (!watched) fail_soon(watched.error());
}

void Connector::handle_ready() {
  const int number = take_socket_error(socket_.get());
  if (number != 0) {
    fail(error(number));
  } else {
    succeed_unless_self();
  }
}

/// Where nobody listens, the kernel may give the socket the very port it connects to, and two
/// SYNs of the same socket make a connection (RFC 9293, 3.5: simultaneous open). That holds the
/// port which its listener will want. Described by Chen Shuo for muduo.
void Connector::succeed_unless_self() {
  const Result<InetAddress> local = InetAddress::local_of(socket_.get());
  const bool self = peer_.is_ip() && local && *local == peer_;
  if (self) {
    const linger now{.l_onoff = 1, .l_linger = 0};  // No TIME_WAIT on that port either.
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fail(error(ECONNREFUSED, "nobody listens, it met itself"));
    return;
  }
  channel_->remove();
  ConnectedSocket connected{std::move(socket_), peer_};
  cancel();
  done_(std::move(connected));
}

void Connector::fail(Error error) {
  cancel();
  done_(std::move(error));
}

void Connector::fail_soon(Error error) {
  soon_timer_ = loop_.run_after(Duration::zero(), [this, error = std::move(error)]() mutable {
    soon_timer_ = {};
    fail(std::move(error));
  });
}

void Connector::cancel() {
  if (!std::exchange(connecting_, false)) return;
  loop_.cancel(std::exchange(timeout_timer_, {}));
  loop_.cancel(std::exchange(soon_timer_, {}));
  if (channel_) {
    // Perhaps one of its callbacks is running.
    channel_->remove();
    loop_.release_later(std::shared_ptr<Channel>(std::move(channel_)));
  }
  socket_.reset();
}

Error Connector::error(int number, std::string_view hint) const {
  return Error::from_errno(number, fmt::format("connect {}{}", peer_.to_string(),
                                               hint.empty() ? "" : fmt::format(" ({})", hint)));
}

}  // namespace leat::internal
