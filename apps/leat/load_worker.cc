#include "apps/leat/load_worker.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "leat/net/close_reason.h"

namespace leat::app {

namespace {

/// Connects under way at a time, of all threads: well below a usual accept queue.
constexpr std::size_t kDialsUnderWay = 256;
/// After a failed connect, or a connection that ended before it was of any use.
constexpr Duration kRetryDelay = std::chrono::milliseconds(20);

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

rusage thread_usage() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage;
}

}  // namespace

LoadWorker::LoadWorker(EventLoop& loop, const LoadOptions& options, LoadProtocolFactory& protocols,
                       const LoadShare& share)
    : loop_(loop),
      options_(options),
      share_(share),
      profile_(make_profile(*this)),
      dialler_(loop, options.target.address, profile_->options,
               std::max<std::size_t>(1, kDialsUnderWay / share.of), options.timeout,
               [this](LoadConnection& connection, Result<UniqueFd> socket) {
                 dialled(connection, std::move(socket));
               }),
      connections_(share.connections),
      quota_(share.requests) {
  std::size_t index = share.first_connection;
  for (LoadConnection& connection : connections_) {
    connection.index = index++;
    connection.protocol = protocols.make(connection.index);
    connection.requests.resize(options.pipeline);
  }
}

LoadWorker::~LoadWorker() = default;

std::shared_ptr<internal::ConnectionProfile> LoadWorker::make_profile(LoadWorker& worker) {
  auto profile = std::make_shared<internal::ConnectionProfile>();
  // Requests are bounded by --pipeline already; a client that stopped reading because its own
  // requests wait would stand still together with a server that does the same.
  profile->options.high_water_mark = std::numeric_limits<std::size_t>::max() / 2;
  profile->options.max_buffered = std::numeric_limits<std::size_t>::max() / 2;
  // A slot is not held up by a server that says it would close a connection and does not.
  profile->options.linger_timeout = std::chrono::seconds(1);
  profile->callbacks.on_message = [&worker](const TcpConnectionPtr& tcp, ReceiveBuffer& input,
                                            Timestamp) {
    worker.receive(worker.connections_[tcp->id()], input);
  };
  profile->callbacks.on_close = [&worker](const TcpConnectionPtr& tcp, CloseReason reason) {
    worker.lost(worker.connections_[tcp->id()], reason);
  };
  return profile;
}

// Life.

void LoadWorker::open(std::function<void(std::size_t)> opened) {
  loop_.at_exit([this] { tear_down(); });
  on_opened_ = std::move(opened);
  last_success_ = monotonic_now();
  if (options_.new_connections) {
    on_opened_(connections_.size());
    return;
  }
  for (LoadConnection& connection : connections_) dialler_.dial(connection);
}

void LoadWorker::start(MonotonicTime at, std::function<void()> done) {
  on_done_ = std::move(done);
  state_ = State::kRunning;
  usage_at_begin_ = thread_usage();
  last_success_ = monotonic_now();
  measured_from_ = at + options_.warmup;
  if (!options_.requests || options_.has_duration) until_ = measured_from_ + options_.duration;
  loop_.run_at(measured_from_, [this] { begin_measurement(); });
  arm_end();
  const Duration sweep = std::clamp<Duration>(options_.timeout / 8, std::chrono::milliseconds(5),
                                              std::chrono::milliseconds(250));
  loop_.run_every(sweep, [this] { this->sweep(); });
  if (!options_.new_connections) {
    // Those that failed or ended while the others were opened are tried again.
    for (LoadConnection& connection : connections_) reopen(connection);
  }
  if (options_.idle) return;

  if (options_.rate) {
    Result<std::unique_ptr<LoadClock>> clock =
        LoadClock::create(loop_, [this] { dispatch_due(monotonic_now()); });
    if (!clock) {
      stats_.count(LoadError::kConnect, clock.error().message());
      return end();
    }
    clock_ = *std::move(clock);
    // Each worker has every `of`-th start time of the whole schedule.
    interval_ns_ = 1e9 * static_cast<double>(share_.of) / *options_.rate;
    schedule_begin_ = at + Duration(static_cast<Duration::rep>(
                               1e9 * static_cast<double>(share_.index) / *options_.rate));
    next_due_ = due(0);
  }
  for (LoadConnection& connection : connections_) use(connection);
  dispatch_due(monotonic_now());
  finish_if_over();
}

void LoadWorker::begin_measurement() {
  usage_at_begin_ = thread_usage();
}

void LoadWorker::arm_end() {
  if (until_ == MonotonicTime::max()) return;
  end_timer_ = loop_.run_at(until_, [this] {
    end_timer_ = {};
    end();
  });
}

void LoadWorker::end() {
  if (state_ != State::kRunning) return;
  const MonotonicTime now = monotonic_now();
  dispatch_due(now);
  if (end_timer_.is_valid()) loop_.cancel(std::exchange(end_timer_, {}));
  until_ = std::min(until_, now);
  state_ = State::kAwaiting;
  if (options_.rate) stats_.unsent = backlog(until_);
  const rusage usage = thread_usage();
  stats_.user_s = seconds(usage.ru_utime) - seconds(usage_at_begin_.ru_utime);
  stats_.system_s = seconds(usage.ru_stime) - seconds(usage_at_begin_.ru_stime);
  stats_.open_at_end = open_;
  finish_if_over();
}

void LoadWorker::finish_if_over() {
  if (under_way_ != 0) return;
  if (state_ == State::kRunning && quota_ && *quota_ == 0) return end();
  if (state_ != State::kAwaiting) return;
  state_ = State::kDone;
  summarise_connections();
  on_done_();
}

void LoadWorker::summarise_connections() {
  stats_.connections = connections_.size();
  for (const LoadConnection& connection : connections_) {
    stats_.least_on_connection = std::min(stats_.least_on_connection, connection.answers);
    stats_.most_on_connection = std::max(stats_.most_on_connection, connection.answers);
  }
  for (std::size_t code = 0; code < status_.size(); ++code) {
    if (status_[code] != 0) stats_.status[static_cast<int>(code)] = status_[code];
  }
}

void LoadWorker::tear_down() {
  state_ = State::kDone;
  clock_.reset();
  dialler_.forget_all(connections_);
  for (LoadConnection& connection : connections_) {
    if (const TcpConnectionPtr tcp = connection.tcp) tcp->finish(CloseReason::kLoopEnded);
  }
}

// Connections.

void LoadWorker::dialled(LoadConnection& connection, Result<UniqueFd> socket) {
  if (socket) {
    opened(connection, *std::move(socket));
  } else {
    dial_failed(connection, socket.error());
  }
  if (state_ == State::kOpening && ++tried_ == connections_.size()) on_opened_(open_);
  finish_if_over();
}

void LoadWorker::dial_failed(LoadConnection& connection, const Error& error) {
  if (connection.under_way != 0) {
    fail_under_way(connection, LoadError::kConnect, error.message());
  } else if (state_ == State::kOpening || state_ == State::kRunning) {
    if (state_ == State::kOpening && !open_error_) open_error_ = error;
    stats_.count(LoadError::kConnect, error.message());
  }
  loop_.run_after(kRetryDelay, [this, &connection] { reopen(connection); });
}

void LoadWorker::opened(LoadConnection& connection, UniqueFd socket) {
  const MonotonicTime now = monotonic_now();
  stats_.connect.record(static_cast<std::uint64_t>((now - connection.dial_start).count()));
  ++stats_.connects;
  if (is_measured(now)) ++stats_.connects_measured;
  last_success_ = now;
  ++open_;
  connection.state = LoadConnection::State::kOpen;
  connection.protocol->restart();
  connection.bytes_received = 0;
  connection.tcp = std::make_shared<TcpConnection>(
      loop_, ConnectedSocket{std::move(socket), options_.target.address},
      connection.index - share_.first_connection, profile_, *this);
  connection.tcp->establish();
  // establish() fails only by closing the connection, which is told as any other close.
  if (connection.state != LoadConnection::State::kOpen) return;
  if (options_.new_connections) {
    connection.requests[connection.first].bytes =
        connection.protocol->send_request(*connection.tcp);
  } else {
    use(connection);
  }
}

/// The connection is closed, by whomever.
void LoadWorker::lost(LoadConnection& connection, CloseReason reason) {
  --open_;
  if (connection.state == LoadConnection::State::kOpen) {
    if (connection.under_way != 0) {
      // Only an orderly end can be the end of a body (RFC 9112, 8).
      const bool orderly = reason == CloseReason::kPeerClosed || reason == CloseReason::kLocalClose;
      const Event event = orderly ? connection.protocol->receive_end() : Event::kNeedMore;
      if (event != Event::kNeedMore) answered(connection, event, monotonic_now());
    }
    // While connections are opened, or only held, none has a reason to end.
    const bool idle_lost =
        state_ == State::kOpening || (options_.idle && state_ == State::kRunning);
    const std::string detail =
        fmt::format("the connection ended ({}) before the answer", to_string(reason));
    if (idle_lost) stats_.count(LoadError::kReset, detail);
    fail_under_way(connection, LoadError::kReset, detail);
  }
  connection.state = LoadConnection::State::kClosing;
}

void LoadWorker::connection_closed(TcpConnection& tcp) {
  LoadConnection& connection = connections_[tcp.id()];
  loop_.release_later(std::move(connection.tcp));
  connection.state = LoadConnection::State::kNone;
  if (state_ == State::kRunning || state_ == State::kOpening) {
    if (connection.useful) {
      // Not from inside the call of the connection that ends.
      loop_.queue_in_loop([this, &connection] { reopen(connection); });
    } else {
      loop_.run_after(kRetryDelay, [this, &connection] { reopen(connection); });
    }
  }
  connection.useful = false;
  finish_if_over();
}

/// Cuts a connection that is of no more use; all requests under way on it fail.
void LoadWorker::abandon(LoadConnection& connection, LoadError error, std::string_view detail) {
  if (connection.under_way == 0) {
    if (state_ == State::kRunning) stats_.count(error, detail);
  } else {
    fail_under_way(connection, error, detail);
  }
  connection.state = LoadConnection::State::kClosing;
  connection.tcp->abort();
}

/// After the last answer of a connection.
void LoadWorker::retire(LoadConnection& connection, Event event) {
  fail_under_way(connection, LoadError::kReset, "the connection ended before the answer");
  connection.state = LoadConnection::State::kClosing;
  const bool http = options_.target.protocol == LoadTarget::Protocol::kHttp;
  if (http && event != Event::kLost) {
    connection.tcp->close();
  } else {
    connection.tcp->abort();  // Leaves no port in TIME_WAIT.
  }
}

void LoadWorker::reopen(LoadConnection& connection) {
  if (state_ != State::kRunning || connection.state != LoadConnection::State::kNone) return;
  if (options_.new_connections) {
    use(connection);
  } else {
    dialler_.dial(connection);
  }
}

/// Times out requests, and the whole run if nothing works any more.
void LoadWorker::sweep() {
  if (state_ == State::kDone) return;
  const MonotonicTime now = monotonic_now();
  for (LoadConnection& connection : connections_) {
    if (connection.under_way == 0 || connection.state != LoadConnection::State::kOpen) continue;
    if (now - connection.oldest().sent > options_.timeout) {
      abandon(connection, LoadError::kTimeout,
              fmt::format("no answer within {} s", to_seconds(options_.timeout)));
    }
  }
  // A connection whose request timed out is gone for a moment too, so that alone is no reason.
  const Duration patience = std::max<Duration>(2 * options_.timeout, std::chrono::seconds(1));
  if (open_ == 0 && now - last_success_ > patience) end();
  finish_if_over();
}

}  // namespace leat::app
