#include "leat/net/loop_rebalancer.h"

#include <algorithm>
#include <atomic>
#include <unordered_map>
#include <utility>
#include <vector>

#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/loop_handle.h"

namespace leat {

namespace {

/// Samples to let pass when a connection has landed: in the first it may have been on its way, and
/// in the second it may be new there.
constexpr int kSettling = 2;

struct Seen {
  std::uint64_t total = 0;
  std::uint64_t recent = 0;  // of the last interval
  bool stays = false;        // it has refused to move
};
using SeenById = std::unordered_map<std::uint64_t, Seen>;

/// One loop's part; all but `load` is for its thread only.
struct LoopSample {
  LoopSample(EventLoop& loop_in) : loop(&loop_in), handle(loop_in.handle()) {}

  EventLoop* const loop;
  const LoopHandle handle;
  std::atomic<std::uint64_t> load{0};
  std::atomic<std::uint64_t> taken{0};  // samples
  SeenById seen;
  SeenById next;  // while a sample is taken

  void look_at(const TcpConnection& connection, std::uint64_t total) {
    const auto known = seen.find(connection.id());
    const bool is_new = known == seen.end();
    next[connection.id()] = {.total = total,
                             .recent = is_new ? 0 : total - std::min(total, known->second.total),
                             .stays = !is_new && known->second.stays};
  }
  void end(std::uint64_t number) {
    seen = std::exchange(next, {});
    std::uint64_t sum = 0;
    for (const auto& [id, one] : seen) sum += one.recent;
    load.store(sum, std::memory_order_relaxed);
    taken.store(number, std::memory_order_release);
  }
  /// On the base loop.
  void end_of_loop(std::uint64_t number) {
    load.store(0, std::memory_order_relaxed);
    taken.store(number, std::memory_order_relaxed);
  }
};

/// The connection whose recent cost comes closest to half of a difference.
struct Choice {
  explicit Choice(std::uint64_t half_in) : half(half_in), off(half_in) {}

  const std::uint64_t half;
  std::uint64_t off;
  std::uint64_t id = 0;  // 0: none, for ids begin with 1

  void consider(const TcpConnection& connection, const SeenById& seen) {
    const auto known = seen.find(connection.id());
    if (known == seen.end() || known->second.stays) return;
    const std::uint64_t recent = known->second.recent;
    const std::uint64_t its_off = recent > half ? recent - half : half - recent;
    if (its_off >= off) return;
    off = its_off;
    id = connection.id();
  }
};

struct Flight {
  explicit Flight(std::atomic<bool>& flag) : in_flight(flag) { in_flight = true; }
  ~Flight() { in_flight = false; }
  Flight(const Flight&) = delete;
  Flight& operator=(const Flight&) = delete;

  std::atomic<bool>& in_flight;
};

}  // namespace

struct LoopRebalancer::State {
  std::vector<std::unique_ptr<LoopSample>> samples;
  std::function<std::uint64_t(const TcpConnection&)> cost;
  std::atomic<std::uint64_t> moves{0};
  std::atomic<bool> in_flight{false};

  /// Null if the server has loops now that it had not.
  LoopSample* sample_of(const EventLoop& loop) const {
    const auto own = std::ranges::find(samples, &loop, [](const auto& one) { return one->loop; });
    return own == samples.end() ? nullptr : own->get();
  }
};

LoopRebalancer::LoopRebalancer(EventLoop& base, TcpServer& server, LoopRebalancerOptions options)
    : base_(base),
      server_(server),
      options_(std::move(options)),
      state_(std::make_shared<State>()) {
  state_->cost = options_.cost;
  if (!state_->cost) {
    state_->cost = [](const TcpConnection& connection) {
      return connection.bytes_received() + connection.bytes_sent();
    };
  }
}

LoopRebalancer::~LoopRebalancer() {
  stop();
}

Result<void> LoopRebalancer::start() {
  base_.assert_in_loop_thread();
  if (timer_.is_valid()) return {};
  if (options_.interval < std::chrono::milliseconds(1) || !(options_.slack >= 0)) {
    return Error::invalid_argument("LoopRebalancer: an interval below 1 ms or a slack below 0");
  }
  if (!server_.is_started()) {
    return Error::invalid_argument("LoopRebalancer: the server has not started");
  }
  if (state_->samples.empty()) {
    for (EventLoop* const loop : server_.loops()) {
      state_->samples.push_back(std::make_unique<LoopSample>(*loop));
    }
  }
  timer_ = base_.run_every(options_.interval, [this] { tick(); });
  return {};
}

void LoopRebalancer::stop() {
  base_.assert_in_loop_thread();
  if (timer_.is_valid()) base_.cancel(std::exchange(timer_, {}));
}

std::uint64_t LoopRebalancer::moves() const {
  return state_->moves.load(std::memory_order_relaxed);
}

void LoopRebalancer::tick() {
  // All loops' samples are of one time, and none has more to do than one.
  for (const auto& one : state_->samples) {
    if (one->taken.load(std::memory_order_acquire) == asked_) continue;
    if (one->handle.queue([] {})) return;
    one->end_of_loop(asked_);
  }
  if (settling_ > 0) {
    if (!state_->in_flight.load()) --settling_;
  } else {
    decide();
  }
  sample();
}

void LoopRebalancer::decide() {
  const std::size_t accepting = std::min(server_.accepting_loops(), state_->samples.size());
  if (accepting < 2) return;
  std::vector<std::uint64_t> loads;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < accepting; ++i) {
    loads.push_back(state_->samples[i]->load.load(std::memory_order_relaxed));
    sum += loads.back();
  }
  const auto [least, most] = std::ranges::minmax_element(loads);
  const double mean = static_cast<double>(sum) / static_cast<double>(accepting);
  const std::uint64_t half = (*most - *least) / 2;
  if (half == 0 || static_cast<double>(*most) <= mean * (1 + options_.slack)) return;
  LoopSample* const from = state_->samples[static_cast<std::size_t>(most - loads.begin())].get();
  EventLoop* const to = state_->samples[static_cast<std::size_t>(least - loads.begin())]->loop;
  // Both are for the loop `from` only: first which one, then that it moves. Who is visited is
  // there.
  const auto choice = std::make_shared<Choice>(half);
  server_.for_each_connection([state = state_, from, choice](const TcpConnectionPtr& connection) {
    if (&connection->loop() == from->loop) choice->consider(*connection, from->seen);
  });
  server_.for_each_connection(
      [state = state_, from, to, choice](const TcpConnectionPtr& connection) {
        if (&connection->loop() != from->loop || connection->id() != choice->id) return;
        if (connection->is_moving()) return;
        // Its end, whichever: the callback is called, or only destroyed.
        const auto flight = std::make_shared<Flight>(state->in_flight);
        const auto landed = [state, flight](const auto&, const auto&) {};
        if (connection->move_to(*to, landed)) {
          state->moves.fetch_add(1, std::memory_order_relaxed);
        } else {
          from->seen[connection->id()].stays = true;
        }
      });
  settling_ = kSettling;
}

void LoopRebalancer::sample() {
  for (const auto& one : state_->samples) {
    one->handle.queue([state = state_, sample = one.get()] { sample->next.clear(); });
  }
  server_.for_each_connection([state = state_](const TcpConnectionPtr& connection) {
    LoopSample* const own = state->sample_of(connection->loop());
    if (own != nullptr && !connection->is_moving()) {
      own->look_at(*connection, state->cost(*connection));
    }
  });
  ++asked_;
  for (const auto& one : state_->samples) {
    const auto end = [state = state_, sample = one.get(), number = asked_] { sample->end(number); };
    if (one->handle.queue(end)) continue;
    one->end_of_loop(asked_);
  }
}

}  // namespace leat
