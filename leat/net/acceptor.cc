#include "leat/net/acceptor.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "leat/base/assert.h"
#include "leat/base/logging.h"
#include "leat/net/internal/accept_error.h"
#include "leat/net/internal/socket_ops.h"

namespace leat {

namespace {

/// A shortage is over when for so long there was none; before that another one is not news.
constexpr Duration kCalm = std::chrono::seconds(1);

InetAddress address_of(const sockaddr_storage& storage, socklen_t size) {
  const auto* address = reinterpret_cast<const sockaddr*>(&storage);
  return InetAddress::from_sockaddr(address, size).value_or(InetAddress());
}

}  // namespace

Acceptor::Acceptor(EventLoop& loop, UniqueFd listener, AcceptorOptions options)
    : listener_(std::move(listener)),
      channel_(loop, listener_.get()),
      options_(options),
      counters_(options.counters != nullptr ? *options.counters : own_counters_) {
  LEAT_ASSERT(options_.batch > 0, "an acceptor that may accept nothing");
  channel_.set_exclusive(options_.exclusive);
  channel_.on_read([this](Timestamp) { handle_read(); });
}

Acceptor::~Acceptor() {
  loop().cancel(retry_timer_);
}

Result<std::unique_ptr<Acceptor>> Acceptor::listen(EventLoop& loop, const InetAddress& address,
                                                   AcceptorOptions options) {
  Result<UniqueFd> listener = internal::open_listener(address);
  if (!listener) return listener.error();
  return std::make_unique<Acceptor>(loop, std::move(*listener), options);
}

Result<void> Acceptor::start() {
  LEAT_ASSERT(callback_, "start() without on_accept()");
  Result<void> watched = channel_.enable_reading();
  wanted_ = watched.has_value();
  return watched;
}

void Acceptor::pause() {
  wanted_ = false;
  channel_.remove();
}

void Acceptor::resume() {
  wanted_ = true;
  if (!retry_timer_.is_valid()) watch();
}

std::size_t Acceptor::drain() {
  std::size_t total = 0;
  Outcome outcome{Outcome::Kind::kEnough};
  while (outcome.kind == Outcome::Kind::kEnough && total < kDrainLimit) {
    outcome = take(options_.batch);
    total += deliver();
  }
  return total;
}

void Acceptor::handle_read() {
  counters_.accept_wake_ups.add();
  adapt_budget();
  const Outcome outcome = take(budget_);
  const std::size_t taken = deliver();
  budget_used_up_ = outcome.kind == Outcome::Kind::kEnough;
  switch (outcome.kind) {
    case Outcome::Kind::kShortage:
      return back_off(outcome.error, taken > 0);
    case Outcome::Kind::kEmpty:
      budget_ = std::max<std::size_t>(taken, 1);
      if (taken == 0) counters_.accept_empty.add();
      break;
    case Outcome::Kind::kEnough:
      break;
  }
  if (in_shortage_) note_calm();
}

/// One connection at a time arrives where there is little to do, and a second accept4() would
/// only find the queue empty. A queue that was not emptied shows in the loop's very next
/// iteration: then twice as many are taken.
void Acceptor::adapt_budget() {
  const std::uint64_t iteration = loop().counters().iterations.load();
  const bool at_once = iteration == last_iteration_ + 1;
  last_iteration_ = iteration;
  if (budget_used_up_ && at_once) budget_ = std::min(budget_ * 2, options_.batch);
}

Acceptor::Outcome Acceptor::take(std::size_t most) {
  try {
    // First, for an accepted connection that found no place would be lost.
    batch_.reserve(batch_.size() + most);
  } catch (const std::bad_alloc&) {
    return {Outcome::Kind::kShortage, ENOMEM};
  }
  while (most > 0) {
    sockaddr_storage peer;
    socklen_t size = sizeof peer;
    UniqueFd socket(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &size,
                              SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket) {
      batch_.push_back(ConnectedSocket{std::move(socket), address_of(peer, size)});
      --most;
      continue;
    }
    const int error = errno;
    switch (internal::classify_accept_error(error)) {
      case internal::AcceptError::kInterrupted:
        break;
      case internal::AcceptError::kEmpty:
        return {Outcome::Kind::kEmpty};
      case internal::AcceptError::kConnection:
        counters_.accept_failed.add();
        --most;
        break;
      case internal::AcceptError::kShortage:
      case internal::AcceptError::kUnexpected:
        return {Outcome::Kind::kShortage, error};
    }
  }
  return {Outcome::Kind::kEnough};
}

std::size_t Acceptor::deliver() {
  const std::size_t count = batch_.size();
  if (count == 0) return 0;
  // Not in the member: the callback may call drain().
  std::vector<ConnectedSocket> batch = std::exchange(batch_, {});
  callback_(std::move(batch));
  batch.clear();
  if (batch_.capacity() < batch.capacity()) batch_ = std::move(batch);
  return count;
}

void Acceptor::watch() {
  const Result<void> watched = channel_.enable_reading();
  if (!watched) back_off(watched.error().number(), false);
}

void Acceptor::back_off(int error, bool progress) {
  channel_.remove();
  counters_.accept_paused.add();
  last_shortage_ = loop().now();
  backoff_ = progress || backoff_ == Duration::zero() ? kFirstBackoff
                                                      : std::min(backoff_ * 2, kLongestBackoff);
  if (!std::exchange(in_shortage_, true)) {
    const Result<InetAddress> local = address();
    LEAT_LOG_ERROR("accepting on {} pauses and is tried again within {} s: {}",
                   local ? local->to_string() : "a listener",
                   std::chrono::duration_cast<std::chrono::seconds>(kLongestBackoff).count(),
                   internal::explain_accept_error(error));
  }
  if (retry_timer_.is_valid()) return;
  retry_timer_ = loop().run_after(backoff_, [this] {
    retry_timer_ = {};
    if (wanted_) watch();
  });
}

void Acceptor::note_calm() {
  if (loop().now() - last_shortage_ < kCalm) return;
  in_shortage_ = false;
  backoff_ = Duration::zero();
  LEAT_LOG_INFO("accepting goes on");
}

}  // namespace leat
