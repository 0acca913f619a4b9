#include "apps/leat/load_dialler.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "leat/net/internal/socket_ops.h"

namespace leat::app {

LoadDialler::LoadDialler(EventLoop& loop, const InetAddress& target,
                         const ConnectionOptions& options, std::size_t most_under_way,
                         Duration timeout, Done done)
    : loop_(loop),
      target_(target),
      options_(options),
      most_under_way_(most_under_way),
      timeout_(timeout),
      done_(std::move(done)) {}

void LoadDialler::dial(LoadConnection& connection) {
  connection.state = LoadConnection::State::kWaiting;
  waiting_.push_back(&connection);
  pump();
}

void LoadDialler::pump() {
  if (std::exchange(pumping_, true)) return;
  while (under_way_ < most_under_way_ && !waiting_.empty()) {
    LoadConnection* next = waiting_.front();
    waiting_.pop_front();
    begin(*next);
  }
  pumping_ = false;
}

void LoadDialler::begin(LoadConnection& connection) {
  connection.state = LoadConnection::State::kDialling;
  connection.dial_start = monotonic_now();
  ++under_way_;
  Result<UniqueFd> socket = internal::open_stream_socket(target_.domain());
  if (!socket) return finish(connection, socket.error().number());
  connection.dialled = *std::move(socket);
  const Result<void> set =
      internal::apply_options(connection.dialled.get(), options_, target_.family());
  if (!set) return finish(connection, set.error().number());
  attempt(connection);
}

void LoadDialler::attempt(LoadConnection& connection) {
  if (::connect(connection.dialled.get(), target_.get(), target_.size()) == 0) {
    return finish(connection, 0);
  }
  const int error = errno;
  if (error == EINPROGRESS) return wait_for(connection);
  // A Unix listener's queue is full, and nothing tells when it has room (man 2 connect).
  const bool queue_full = error == EAGAIN && !target_.is_ip();
  if (!queue_full || monotonic_now() - connection.dial_start > timeout_) {
    return finish(connection, queue_full ? ETIMEDOUT : error);
  }
  connection.dial_timer = loop_.run_after(std::chrono::milliseconds(1), [this, &connection] {
    connection.dial_timer = {};
    attempt(connection);
  });
}

void LoadDialler::wait_for(LoadConnection& connection) {
  connection.dial_channel = std::make_unique<Channel>(loop_, connection.dialled.get());
  connection.dial_channel->on_write([this, &connection] {
    finish(connection, internal::take_socket_error(connection.dialled.get()));
  });
  connection.dial_channel->on_error([this, &connection] {
    const int error = internal::take_socket_error(connection.dialled.get());
    finish(connection, error != 0 ? error : ECONNREFUSED);
  });
  const Result<void> watched = connection.dial_channel->enable_writing();
  if (!watched) return finish(connection, watched.error().number());
  connection.dial_timer = loop_.run_after(timeout_, [this, &connection] {
    connection.dial_timer = {};
    finish(connection, ETIMEDOUT);
  });
}

void LoadDialler::finish(LoadConnection& connection, int error) {
  if (connection.dial_channel) {
    connection.dial_channel->remove();
    // It may be what calls.
    loop_.release_later(std::shared_ptr<Channel>(std::move(connection.dial_channel)));
  }
  if (connection.dial_timer.is_valid()) loop_.cancel(std::exchange(connection.dial_timer, {}));
  UniqueFd socket = std::move(connection.dialled);
  connection.state = LoadConnection::State::kNone;
  --under_way_;
  if (error == 0) {
    done_(connection, std::move(socket));
  } else {
    socket.reset();
    done_(connection, Error::from_errno(error, "connect " + target_.to_string()));
  }
  pump();
}

void LoadDialler::forget_all(std::deque<LoadConnection>& connections) {
  waiting_.clear();
  for (LoadConnection& connection : connections) {
    if (connection.dial_timer.is_valid()) loop_.cancel(std::exchange(connection.dial_timer, {}));
    connection.dial_channel.reset();
    connection.dialled.reset();
  }
}

}  // namespace leat::app
