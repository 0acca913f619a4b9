// The requests of a LoadWorker, and when they start.

#include <algorithm>
#include <string>
#include <utility>

#include "leat/net/receive_buffer.h"

#include "apps/leat/load_worker.h"

namespace leat::app {

// Requests.

/// Gives a connection that has room its next work.
void LoadWorker::use(LoadConnection& connection) {
  if (state_ != State::kRunning || options_.idle) return;
  if (options_.rate) {
    make_available(connection);
    if (blocked_) dispatch_due(monotonic_now());
  } else {
    fill(connection);
  }
}

void LoadWorker::fill(LoadConnection& connection) {
  const MonotonicTime now = monotonic_now();
  if (options_.new_connections) {
    const bool is_free = connection.state == LoadConnection::State::kNone;
    if (is_free && take_from_quota(now)) send_on_new_connection(connection, now, now);
    return;
  }
  while (connection.state == LoadConnection::State::kOpen && connection.has_room() &&
         take_from_quota(now)) {
    send(connection, now, now);
  }
}

void LoadWorker::send(LoadConnection& connection, MonotonicTime start, MonotonicTime now) {
  const std::size_t bytes = connection.protocol->send_request(*connection.tcp);
  connection.push({.start = start, .sent = now, .bytes = bytes});
  ++under_way_;
}

void LoadWorker::send_on_new_connection(LoadConnection& connection, MonotonicTime start,
                                        MonotonicTime now) {
  connection.push({.start = start, .sent = now, .bytes = 0});
  ++under_way_;
  dialler_.dial(connection);
}

void LoadWorker::receive(LoadConnection& connection, ReceiveBuffer& input) {
  if (connection.state != LoadConnection::State::kOpen) return input.consume_all();
  const MonotonicTime now = monotonic_now();
  std::string_view rest = input.view();
  while (!rest.empty()) {
    if (connection.under_way == 0) {
      input.consume_all();
      return abandon(connection, LoadError::kProtocol, "bytes came that nobody had asked for");
    }
    const LoadProtocol::Step step = connection.protocol->receive(rest);
    rest.remove_prefix(step.consumed);
    connection.bytes_received += step.consumed;
    if (step.event == Event::kNeedMore) continue;
    answered(connection, step.event, now);
    if (!step.last && !options_.new_connections) continue;
    input.consume_all();
    return retire(connection, step.event);
  }
  input.consume_all();
  use(connection);
  finish_if_over();
}

void LoadWorker::answered(LoadConnection& connection, Event event, MonotonicTime now) {
  const LoadRequest request = connection.oldest();
  const std::uint64_t bytes = std::exchange(connection.bytes_received, 0);
  connection.pop();
  connection.useful = true;
  --under_way_;
  last_success_ = now;
  if (!is_measured(request.start)) return;
  stats_.last_answer = now;
  const LoadProtocol& protocol = *connection.protocol;
  if (const int status = protocol.status(); event != Event::kLost && status > 0) {
    ++status_[static_cast<std::size_t>(status) % status_.size()];
  }
  switch (event) {
    case Event::kAnswer:
      break;
    case Event::kBadStatus:
      return stats_.count(LoadError::kStatus, protocol.complaint());
    case Event::kBadBody:
      return stats_.count(LoadError::kBody, protocol.complaint());
    case Event::kLost:
    case Event::kNeedMore:
      return stats_.count(LoadError::kProtocol, protocol.complaint());
  }
  ++stats_.requests;
  ++connection.answers;
  stats_.bytes_sent += request.bytes;
  stats_.bytes_received += bytes;
  stats_.latency.record(static_cast<std::uint64_t>((now - request.start).count()));
}

void LoadWorker::fail_under_way(LoadConnection& connection, LoadError error,
                                std::string_view detail) {
  while (connection.under_way != 0) {
    if (is_measured(connection.oldest().start)) stats_.count(error, detail);
    connection.pop();
    --under_way_;
  }
}

bool LoadWorker::is_measured(MonotonicTime start) const {
  return start >= measured_from_ && start < until_;
}

/// With --requests: whether a request that starts then may be sent.
bool LoadWorker::take_from_quota(MonotonicTime start) {
  if (!quota_ || start < measured_from_) return true;
  if (*quota_ == 0) return false;
  --*quota_;
  return true;
}

// The schedule of an open loop.

void LoadWorker::dispatch_due(MonotonicTime now) {
  if (state_ != State::kRunning || !clock_) return;
  while (next_due_ <= now && next_due_ < until_) {
    LoadConnection* connection = take_available();
    if (connection == nullptr) {
      blocked_ = true;
      stats_.backlog_max = std::max(stats_.backlog_max, backlog(now));
      return;
    }
    if (std::exchange(blocked_, false)) unblocked_at_ = now;
    const MonotonicTime start = next_due_;
    if (!take_from_quota(start)) return;
    // What waited for a connection was not kept waiting by the generator.
    if (start >= unblocked_at_ && is_measured(start)) {
      stats_.lag.record(static_cast<std::uint64_t>((now - start).count()));
    }
    next_due_ = due(++dispatched_);
    if (options_.new_connections) {
      send_on_new_connection(*connection, start, now);
    } else {
      send(*connection, start, now);
      if (connection->has_room()) make_available(*connection);
    }
  }
  if (next_due_ < until_) clock_->set(next_due_);
}

MonotonicTime LoadWorker::due(std::uint64_t number) const {
  return schedule_begin_ +
         Duration(static_cast<Duration::rep>(static_cast<double>(number) * interval_ns_));
}

/// Requests that are due and not sent.
std::uint64_t LoadWorker::backlog(MonotonicTime now) const {
  if (next_due_ >= now) return 0;
  const auto late = static_cast<double>((now - next_due_).count());
  const auto count = static_cast<std::uint64_t>(late / interval_ns_) + 1;
  return quota_ ? std::min(count, *quota_) : count;
}

LoadConnection* LoadWorker::take_available() {
  const auto wanted =
      options_.new_connections ? LoadConnection::State::kNone : LoadConnection::State::kOpen;
  while (!available_.empty()) {
    LoadConnection* connection = available_.front();
    available_.pop_front();
    connection->available = false;
    if (connection->state == wanted && connection->has_room()) return connection;
  }
  return nullptr;
}

void LoadWorker::make_available(LoadConnection& connection) {
  if (connection.available) return;
  connection.available = true;
  available_.push_back(&connection);
}

}  // namespace leat::app
