#include "leat/net/internal/name_connector.h"

#include <cerrno>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "leat/base/assert.h"
#include "leat/net/internal/name_error.h"
#include "leat/net/internal/source_address.h"

namespace leat::internal {

namespace {

/// An error is read by people: no more addresses than fit on a line or two.
constexpr std::size_t kMaxInWords = 8;

}  // namespace

NameConnector::NameConnector(EventLoop& loop, HostPort peer, Options options,
                             std::shared_ptr<Resolver> resolver, DoneCallback done)
    : loop_(loop),
      peer_(std::move(peer)),
      options_(std::move(options)),
      resolver_(std::move(resolver)),
      done_(std::move(done)) {}

void NameConnector::start() {
  LEAT_ASSERT(!connecting_, "start() during an attempt");
  connecting_ = true;
  race_.emplace(options_.happy_eyeballs);
  if (options_.timeout > Duration::zero()) {
    timeout_timer_ = loop_.run_after(options_.timeout, [this] {
      timeout_timer_ = {};
      fail(timeout_error());
    });
  }
  if (!resolver_) resolver_ = Resolver::shared(loop_);
  const Result<ResolveId> asked = resolver_->resolve_each(
      peer_.host, peer_.port, [this](FamilyAnswer answer) { answered(std::move(answer)); });
  if (asked) {
    question_ = *asked;
  } else {
    fail_soon(name_error(asked.error()));
  }
}

void NameConnector::cancel() {
  if (!std::exchange(connecting_, false)) return;
  if (question_.is_valid()) resolver_->cancel(std::exchange(question_, {}));
  loop_.cancel(std::exchange(timeout_timer_, {}));
  loop_.cancel(std::exchange(wake_timer_, {}));
  loop_.cancel(std::exchange(soon_timer_, {}));
  for (std::size_t attempt = 0; attempt < attempts_.size(); ++attempt) end_attempt(attempt);
  attempts_.clear();
  connected_.reset();
  known_.clear();
  no_addresses_.reset();
  one_answered_ = false;
}

// The race.

void NameConnector::answered(FamilyAnswer answer) {
  if (answer.last) question_ = {};
  if (answer.addresses) {
    known_.insert(known_.end(), answer.addresses->begin(), answer.addresses->end());
    // Of both families now: which of them comes first is for the routes to say.
    sort_by_preference(known_);
  } else if (!no_addresses_ || tells_more(answer.addresses.error(), *no_addresses_)) {
    no_addresses_ = answer.addresses.error();
  }
  if (answer.last && !std::exchange(one_answered_, true)) {
    // The resolver asks for one family only.
    const bool v6 = answer.family == InetAddress::Family::kIpv6;
    static_cast<void>(race_->answered(
        loop_.now(), v6 ? InetAddress::Family::kIpv4 : InetAddress::Family::kIpv6, {}));
  }
  one_answered_ = true;
  run(race_->answered(loop_.now(), answer.family, known_));
}

void NameConnector::run(const HappyEyeballs::Actions& actions) {
  for (const HappyEyeballs::Action& action : actions) {
    switch (action.what) {
      case HappyEyeballs::Do::kStart:
        start_attempt(action.attempt, action.address);
        break;
      case HappyEyeballs::Do::kCancel:
        end_attempt(action.attempt);
        break;
      case HappyEyeballs::Do::kWon: {
        ConnectedSocket socket = std::move(*connected_);
        cancel();
        done_(std::move(socket));
        return;
      }
      case HappyEyeballs::Do::kFailed:
        fail(error_of_all());
        return;
    }
  }
  set_wake_timer();
}

void NameConnector::start_attempt(std::size_t attempt, const InetAddress& address) {
  Connector::Options options;
  options.connection = options_.connection;
  if (options_.bind_to && options_.bind_to->family() == address.family()) {
    options.bind_to = options_.bind_to;
  }
  attempts_.push_back({std::make_shared<Connector>(loop_, address, std::move(options),
                                                   [this, attempt](Result<ConnectedSocket> socket) {
                                                     attempt_done(attempt, std::move(socket));
                                                   })});
  LEAT_ASSERT(attempts_.size() == attempt + 1, "attempts out of order");
  attempts_.back().connector->start();
}

/// Perhaps it is what is calling.
void NameConnector::end_attempt(std::size_t attempt) {
  std::shared_ptr<Connector>& connector = attempts_[attempt].connector;
  if (!connector) return;
  connector->cancel();
  loop_.release_later(std::move(connector));
}

void NameConnector::attempt_done(std::size_t attempt, Result<ConnectedSocket> socket) {
  end_attempt(attempt);
  if (socket) {
    connected_ = std::move(*socket);
    run(race_->attempt_connected(attempt));
  } else {
    attempts_[attempt].error = std::move(socket).error();
    run(race_->attempt_failed(loop_.now(), attempt));
  }
}

void NameConnector::set_wake_timer() {
  loop_.cancel(std::exchange(wake_timer_, {}));
  const std::optional<MonotonicTime> at = race_->wake_at();
  if (!at) return;
  wake_timer_ = loop_.run_at(*at, [this] {
    wake_timer_ = {};
    run(race_->wake(loop_.now()));
  });
}

// Errors.

void NameConnector::fail(Error error) {
  cancel();
  done_(std::move(error));
}

void NameConnector::fail_soon(Error error) {
  soon_timer_ = loop_.run_after(Duration::zero(), [this, error = std::move(error)]() mutable {
    soon_timer_ = {};
    fail(std::move(error));
  });
}

/// The number is that of the last address that was tried.
Error NameConnector::error_of_all() const {
  if (attempts_.empty()) return name_error(*no_addresses_);
  std::string words = attempts_in_words();
  if (no_addresses_ && !is_final_name_error(*no_addresses_)) {
    words += "; ";
    words += no_addresses_->context();
  }
  return error(attempts_.back().error->number(), words);
}

Error NameConnector::timeout_error() const {
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(options_.timeout);
  const std::string words = attempts_.empty() ? "its name is still asked for" : attempts_in_words();
  return error(ETIMEDOUT, fmt::format("after {} ms: {}", limit.count(), words));
}

/// "[2001:db8::1]:80: Connection refused; 192.0.2.1:80: no answer".
std::string NameConnector::attempts_in_words() const {
  std::string words;
  for (std::size_t i = 0; i < attempts_.size() && i < kMaxInWords; ++i) {
    const std::optional<Error>& error = attempts_[i].error;
    if (!words.empty()) words += "; ";
    words += race_->tried()[i].to_string();
    words += ": ";
    words += error ? error->code().message() : "no answer";
  }
  if (attempts_.size() > kMaxInWords) {
    words += fmt::format("; {} more", attempts_.size() - kMaxInWords);
  }
  return words;
}

Error NameConnector::name_error(const Error& error) const {
  return {error.code(), fmt::format("connect {}: {}", peer_.to_string(), error.context())};
}

Error NameConnector::error(int number, std::string_view hint) const {
  return Error::from_errno(number, fmt::format("connect {} ({})", peer_.to_string(), hint));
}

}  // namespace leat::internal
