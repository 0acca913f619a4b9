#include "leat/net/takeover.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "leat/base/assert.h"
#include "leat/net/internal/takeover_message.h"
#include "leat/reactor/event_loop.h"

namespace leat {

namespace {

using internal::TakeoverMessage;
using internal::TakeoverSocketKind;

Error timed_out(const char* what) {
  return Error::from_errno(ETIMEDOUT, fmt::format("takeover: {}", what));
}

Error refused(const TakeoverMessage& message) {
  const int number = message.left == 0 ? EBUSY : static_cast<int>(message.left);
  return Error::from_errno(number, "refused by the other process: " + message.text);
}

Result<UniqueFd> connect_to(const InetAddress& address) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return Error::from_errno(errno, "socket");
  if (::connect(socket.get(), address.get(), address.size()) == 0) return socket;
  // What a full accept queue gives.
  const int number = errno == EAGAIN ? EBUSY : errno;
  return Error::from_errno(number, "takeover from " + address.to_string());
}

/// Waits until there is a packet, or the end.
Result<TakeoverMessage> await_message(int socket, MonotonicTime deadline) {
  while (true) {
    auto received = internal::receive_message(socket, true);
    if (!received) return std::move(received).error();
    if (*received) return std::move(**received);
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - monotonic_now()).count();
    if (left <= 0) return timed_out("the other process does not answer");
    pollfd wanted{.fd = socket, .events = POLLIN, .revents = 0};
    if (::poll(&wanted, 1, static_cast<int>(std::min<long>(left + 1, 60'000))) < 0 &&
        errno != EINTR) {
      return Error::from_errno(errno, "poll");
    }
  }
}

}  // namespace

struct Takeover::State {
  UniqueFd peer;
  UniqueFd path_listener;
  ListenerSet listeners;
  EventLoop* loop = nullptr;  // of ready()
  std::shared_ptr<Channel> channel;
  TimerId timer;
  DoneCallback done;

  ~State() { stop_waiting(); }
  Result<void> add(TakeoverMessage message);
  void handle_message();
  void finish(const Result<void>& result);
  void stop_waiting();
};

Takeover::Takeover(std::unique_ptr<State> state) : state_(std::move(state)) {}
Takeover::Takeover(Takeover&& other) noexcept = default;
Takeover::~Takeover() = default;

Result<Takeover> Takeover::request(const InetAddress& address, Duration limit) {
  if (address.is_ip()) return Error::invalid_argument("takeover from " + address.to_string());
  const MonotonicTime deadline = monotonic_now() + limit;
  while (true) {
    Result<Takeover> takeover = request_once(address, deadline);
    // It ended in between, or before: the kernel may close a dead process's sockets a little later
    // (io_uring). Soon nobody will be there.
    const bool is_gone = !takeover && takeover.error().number() == ECONNRESET;
    if (!is_gone || monotonic_now() > deadline) return takeover;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

Result<Takeover> Takeover::request_once(const InetAddress& address, MonotonicTime deadline) {
  auto state = std::make_unique<State>();
  Result<UniqueFd> peer = connect_to(address);
  if (!peer) return std::move(peer).error();
  state->peer = *std::move(peer);
  // Who else bound the path could hand out listeners that are traps.
  const int socket = state->peer.get();
  if (auto same = internal::check_same_user(socket); !same) return std::move(same).error();
  const Result<void> asked = internal::send_message(socket, TakeoverMessage());
  std::uint32_t left = 1;
  while (left > 0) {
    Result<TakeoverMessage> message = await_message(socket, deadline);
    // Who refuses at once hangs up without having read: the reason is more than the broken pipe.
    if (!message) return !asked ? asked.error() : message.error();
    if (message->kind == TakeoverMessage::Kind::kRefused) return refused(*message);
    left = message->left;
    if (auto added = state->add(*std::move(message)); !added) return std::move(added).error();
  }
  if (!state->path_listener) {
    return Error::from_errno(EPROTO, "takeover: the listener of its socket is missing");
  }
  return Takeover(std::move(state));
}

Result<void> Takeover::State::add(TakeoverMessage message) {
  const bool makes_sense = message.kind == TakeoverMessage::Kind::kListeners &&
                           !message.sockets.empty() &&
                           message.text.size() == message.sockets.size() &&
                           listeners.size() + message.left <= ListenerSet::kMostSockets;
  if (!makes_sense) return Error::from_errno(EPROTO, "takeover: an answer that makes no sense");
  for (std::size_t i = 0; i < message.sockets.size(); ++i) {
    const auto kind = static_cast<TakeoverSocketKind>(message.text[i]);
    if (kind == TakeoverSocketKind::kTakeover) {
      path_listener = std::move(message.sockets[i]);
      continue;
    }
    Result<ListenerSocket> socket = ListenerSocket::inspect(std::move(message.sockets[i]));
    if (!socket) return std::move(socket).error();
    socket->removes_path = kind != TakeoverSocketKind::kKeepsItsPath;
    listeners.add(*std::move(socket));
  }
  return {};
}

ListenerSet& Takeover::listeners() {
  return state_->listeners;
}

UniqueFd Takeover::take_path_listener() {
  return std::move(state_->path_listener);
}

void Takeover::ready(EventLoop& loop, Duration limit, DoneCallback done) {
  State& state = *state_;
  LEAT_ASSERT(state.loop == nullptr, "Takeover::ready() twice");
  loop.assert_in_loop_thread();
  state.loop = &loop;
  state.done = std::move(done);
  TakeoverMessage message;
  message.kind = TakeoverMessage::Kind::kReady;
  // Fails if the old process has gone; then reading says so, after what it may have said before.
  (void)internal::send_message(state.peer.get(), message);
  state.timer = loop.run_after(limit, [&state] {
    state.timer = {};
    state.finish(timed_out("the old process does not answer"));
  });
  state.channel = std::make_shared<Channel>(loop, state.peer.get());
  state.channel->on_read([&state](Timestamp) { state.handle_message(); });
  if (Result<void> watched = state.channel->enable_reading(); !watched) {
    loop.cancel(state.timer);
    // Not from inside this call.
    state.timer = loop.run_after(Duration::zero(), [&state, error = watched.error()] {
      state.timer = {};
      state.finish(error);
    });
  }
}

void Takeover::State::handle_message() {
  const auto received = internal::receive_message(peer.get(), false);
  if (received && !*received) return;
  if (!received) {
    // It has ended, and what it had is this process's alone.
    const bool gone = received.error().number() == ECONNRESET;
    return finish(gone ? Result<void>() : received.error());
  }
  switch ((*received)->kind) {
    case TakeoverMessage::Kind::kDone:
      return finish({});
    case TakeoverMessage::Kind::kRefused:
      return finish(refused(**received));
    default:
      return finish(Error::from_errno(EPROTO, "takeover: an answer that makes no sense"));
  }
}

/// The callback comes last: it may destroy the Takeover.
void Takeover::State::finish(const Result<void>& result) {
  stop_waiting();
  if (DoneCallback callback = std::exchange(done, {})) callback(result);
}

void Takeover::State::stop_waiting() {
  if (loop == nullptr) return;
  loop->cancel(std::exchange(timer, {}));
  if (channel) {
    channel->remove();
    loop->release_later(std::exchange(channel, nullptr));
  }
}

}  // namespace leat
