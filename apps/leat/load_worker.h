// Internal: one thread of `leat load`: its connections and their requests.
#pragma once

#include <sys/resource.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "leat/net/internal/connection_owner.h"
#include "leat/net/internal/connection_profile.h"
#include "leat/reactor/event_loop.h"

#include "apps/leat/load_clock.h"
#include "apps/leat/load_connection.h"
#include "apps/leat/load_dialler.h"
#include "apps/leat/load_options.h"
#include "apps/leat/load_protocol.h"
#include "apps/leat/load_stats.h"

namespace leat::app {

/// A worker's part of the whole.
struct LoadShare {
  std::size_t index = 0;  ///< Of `of` workers.
  std::size_t of = 1;
  std::size_t connections = 0;
  std::size_t first_connection = 0;
  std::optional<std::uint64_t> requests;
};

/// Belongs to its loop, but for the constructor, the destructor and stats(). When the loop ends,
/// so do its connections.
///
///     open()            start()                 the end             no request under way
///      +---------+       +---------+             +----------+        +------+
///      | opening |------>| running |------------>| awaiting |------->| done |
///      +---------+       +---------+             +----------+        +------+
class LoadWorker final : public internal::ConnectionOwner {
 public:
  LoadWorker(EventLoop& loop, const LoadOptions& options, LoadProtocolFactory& protocols,
             const LoadShare& share);
  ~LoadWorker() override;

  /// Opens the connections; calls back when each was tried once.
  void open(std::function<void(std::size_t open)> opened);
  /// Begins the load, and calls back when it is over.
  void start(MonotonicTime at, std::function<void()> done);
  /// Ends the load now; requests under way are awaited. Without a load, does nothing.
  void end();
  /// After done, from any thread.
  [[nodiscard]] const LoadStats& stats() const { return stats_; }
  /// The first failure of a connection while all were opened, if any. After done, from any thread.
  [[nodiscard]] const std::optional<Error>& open_error() const { return open_error_; }
  [[nodiscard]] MonotonicTime measured_from() const { return measured_from_; }
  [[nodiscard]] MonotonicTime measured_until() const { return until_; }

  // ConnectionOwner
  void connection_closed(TcpConnection& connection) override;
  NetCounters& counters() override { return counters_; }

 private:
  enum class State : std::uint8_t { kOpening, kRunning, kAwaiting, kDone };
  using Event = LoadProtocol::Event;

  // Life (load_worker.cc).
  [[nodiscard]] static std::shared_ptr<internal::ConnectionProfile> make_profile(
      LoadWorker& worker);
  void begin_measurement();
  void arm_end();
  void finish_if_over();
  void summarise_connections();
  void tear_down();

  // Connections (load_worker.cc).
  void dialled(LoadConnection& connection, Result<UniqueFd> socket);
  void dial_failed(LoadConnection& connection, const Error& error);
  void opened(LoadConnection& connection, UniqueFd socket);
  void lost(LoadConnection& connection, CloseReason reason);
  void abandon(LoadConnection& connection, LoadError error, std::string_view detail);
  void retire(LoadConnection& connection, Event event);
  void reopen(LoadConnection& connection);
  void sweep();

  // Requests (load_worker_requests.cc).
  void use(LoadConnection& connection);
  void fill(LoadConnection& connection);
  void send(LoadConnection& connection, MonotonicTime start, MonotonicTime now);
  void send_on_new_connection(LoadConnection& connection, MonotonicTime start, MonotonicTime now);
  void receive(LoadConnection& connection, ReceiveBuffer& input);
  void answered(LoadConnection& connection, Event event, MonotonicTime now);
  void fail_under_way(LoadConnection& connection, LoadError error, std::string_view detail);
  [[nodiscard]] bool is_measured(MonotonicTime start) const;
  [[nodiscard]] bool take_from_quota(MonotonicTime start);

  // The schedule of an open loop (load_worker_requests.cc).
  void dispatch_due(MonotonicTime now);
  [[nodiscard]] MonotonicTime due(std::uint64_t number) const;
  [[nodiscard]] std::uint64_t backlog(MonotonicTime now) const;
  LoadConnection* take_available();
  void make_available(LoadConnection& connection);

  EventLoop& loop_;
  const LoadOptions& options_;
  const LoadShare share_;
  const std::shared_ptr<const internal::ConnectionProfile> profile_;
  LoadDialler dialler_;
  NetCounters counters_;
  LoadStats stats_;
  std::optional<Error> open_error_;
  std::array<std::uint64_t, 1000> status_{};

  State state_ = State::kOpening;
  std::function<void(std::size_t)> on_opened_;
  std::function<void()> on_done_;
  // Never changes size; a TcpConnection's id is its place here, again and again.
  std::deque<LoadConnection> connections_;
  std::size_t tried_ = 0;
  std::size_t open_ = 0;
  std::uint64_t under_way_ = 0;
  std::optional<std::uint64_t> quota_;
  MonotonicTime last_success_;

  MonotonicTime measured_from_ = MonotonicTime::max();
  MonotonicTime until_ = MonotonicTime::max();
  TimerId end_timer_;
  rusage usage_at_begin_{};

  std::unique_ptr<LoadClock> clock_;
  double interval_ns_ = 0;
  MonotonicTime schedule_begin_;
  std::uint64_t dispatched_ = 0;
  MonotonicTime next_due_ = MonotonicTime::max();
  bool blocked_ = false;
  MonotonicTime unblocked_at_;
  std::deque<LoadConnection*> available_;
};

}  // namespace leat::app
