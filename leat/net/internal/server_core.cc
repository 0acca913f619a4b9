#include "leat/net/internal/server_core.h"

#include <cerrno>
#include <optional>
#include <utility>

#include "leat/base/assert.h"
#include "leat/base/logging.h"
#include "leat/net/internal/run_and_wait.h"
#include "leat/net/tls_context.h"
#include "leat/reactor/internal/deadline.h"

namespace leat::internal {

ServerCore::ServerCore(EventLoop& base, EventLoopThreadPool* shared_pool, TcpServerOptions options)
    : base_(base),
      pool_(shared_pool),
      options_(std::move(options)),
      profile_(std::make_shared<ConnectionProfile>()) {
  if (pool_ == nullptr) accepting_ = options_.loops == 0 ? 1 : options_.loops;
  profile_->options = options_.connection;
  profile_->tls = options_.tls;
}

ServerCore::~ServerCore() = default;

ConnectionCallbacks& ServerCore::callbacks() {
  LEAT_ASSERT(!started_, "callbacks must be set before start()");
  return profile_->callbacks;
}

void ServerCore::serve(std::function<Task<>(TcpConnectionPtr)> handler) {
  LEAT_ASSERT(!started_, "serve() must be called before start()");
  profile_->serve = std::move(handler);
}

void ServerCore::on_loop_start(std::function<void(EventLoop&)> callback) {
  on_loop_start_ = std::move(callback);
}

// Starting.

Result<void> ServerCore::start() {
  base_.assert_in_loop_thread();
  if (started_) return {};
  if (stopping_) return Error::from_errno(ESHUTDOWN, "start of a server that was stopped");
  if (options_.tls && !options_.tls->is_server()) {
    return Error::invalid_argument("TcpServer: tls is a context for clients");
  }
  know_pool();
  Result<void> loops_started = start_loops();
  if (!loops_started) return loops_started;
  for (Listener& listener : listeners_) {
    Result<void> accepting = accept_on(listener);
    if (!accepting) {
      stop_loops();
      return accepting;
    }
  }
  note_balances();
  started_ = true;
  return {};
}

Result<void> ServerCore::start_loops() {
  if (pool_ == nullptr) {
    own_pool_ = std::make_unique<EventLoopThreadPool>(
        base_,
        EventLoopThreadPoolOptions{.name = options_.name,
                                   .count = options_.loops == 0 ? 0 : serving_loops(),
                                   .cpus = EventLoopThreadPool::one_cpu_each(cpus_for_loops()),
                                   .poller = PollerKind::kDefault,
                                   .on_start = on_loop_start_,
                                   .on_exception = {}});
    Result<void> started = own_pool_->start();
    if (!started) {
      own_pool_.reset();
      return started;
    }
    pool_ = own_pool_.get();
  }
  for (EventLoop* loop : pool_->loops()) {
    loops_.push_back(std::make_shared<ServerLoop>(*loop, loops_.size(), options_, profile_));
  }
  const auto peers = std::make_shared<const ServerLoop::Peers>(loops_);
  for (std::size_t index = 0; index < loops_.size(); ++index) {
    const auto& share = loops_[index];
    share->know_peers(peers);
    share->take_new(index < accepting_);
    if (options_.balance == Balance::kLeastConnections) share->balance_load();
    const auto ended = [base = base_.handle(), weak = weak_from_this(), index] {
      base.queue([weak, index] {
        if (const auto core = weak.lock()) core->loop_ended(index);
      });
    };
    if (&share->loop() == &base_) {
      share->attach(ended);
    } else {
      share->loop().queue_in_loop([share, ended] { share->attach(ended); });
    }
  }
  shares_.resize(loops_.size());
  loop_has_ended_.resize(loops_.size());
  return {};
}

// One acceptor for all loops.

Result<void> ServerCore::accept_on_base(UniqueFd socket) {
  if (loops_.size() == 1 && &loops_.front()->loop() == &base_) {
    return loops_.front()->accept_from(std::move(socket), false);
  }
  auto acceptor = std::make_unique<Acceptor>(
      base_, std::move(socket),
      AcceptorOptions{
          .batch = options_.accept_batch, .exclusive = false, .counters = &base_counters_});
  acceptor->on_accept([this](Batch&& sockets) { distribute(std::move(sockets)); });
  Result<void> accepting = acceptor->start();
  if (!accepting) return accepting;
  base_acceptors_.push_back(std::move(acceptor));
  if (options_.max_connections_per_loop != 0) {
    for (const auto& share : loops_) {
      share->handle().queue([share, base = base_.handle(), weak = weak_from_this()] {
        share->on_room([base, weak] {
          base.queue([weak] {
            if (const auto core = weak.lock()) core->resume_base_acceptors();
          });
        });
      });
    }
  }
  return {};
}

void ServerCore::distribute(Batch&& sockets) {
  for (ConnectedSocket& socket : sockets) {
    const std::optional<std::size_t> index = next_loop();
    if (!index) {
      base_counters_.accept_failed.add();
      continue;
    }
    loops_[*index]->expect(1);
    shares_[*index].push_back(std::move(socket));
  }
  for (std::size_t i = 0; i < shares_.size(); ++i) {
    if (!shares_[i].empty()) hand_over(i, std::exchange(shares_[i], {}));
  }
  pause_if_all_full();
}

/// One task for all of a loop's connections in the batch, and so at most one wake-up.
void ServerCore::hand_over(std::size_t index, Batch&& batch) {
  const auto& share = loops_[index];
  const auto sockets = std::make_shared<Batch>(std::move(batch));
  if (share->handle().queue([share, sockets] { share->adopt(std::move(*sockets)); })) return;
  // The loop has ended, which nobody asked for: the others take its part.
  loop_has_ended_[index] = true;
  distribute(std::move(*sockets));
}

/// The next one in turn that has room, else the next one that lives; none if all have ended.
std::optional<std::size_t> ServerCore::next_loop() {
  std::optional<std::size_t> full;
  for (std::size_t tried = 0; tried < accepting_; ++tried) {
    const std::size_t index = next_;
    next_ = (next_ + 1) % accepting_;
    if (loop_has_ended_[index]) continue;
    if (!loops_[index]->is_full()) return index;
    if (!full) full = index;
  }
  return full;
}

void ServerCore::pause_if_all_full() {
  for (std::size_t i = 0; i < accepting_; ++i) {
    if (!loop_has_ended_[i] && !loops_[i]->is_full()) return;
  }
  base_paused_ = true;
  for (const auto& acceptor : base_acceptors_) acceptor->pause();
}

void ServerCore::resume_base_acceptors() {
  if (!std::exchange(base_paused_, false)) return;
  for (const auto& acceptor : base_acceptors_) acceptor->resume();
  pause_if_all_full();
}

// Stopping.

/// A loop's part of a stop. It reaches the base loop when nobody holds it any more: also if the
/// loop had ended before, or ends before its turn.
struct ServerCore::StopAnswer {
  explicit StopAnswer(std::shared_ptr<ServerCore> core_in)
      : core(std::move(core_in)), base(core->base_.handle()) {}
  ~StopAnswer() {
    base.queue([to = std::move(core), report = part] { to->report_stopped(report); });
  }
  StopAnswer(const StopAnswer&) = delete;
  StopAnswer& operator=(const StopAnswer&) = delete;

  std::shared_ptr<ServerCore> core;
  const LoopHandle base;
  StopReport part;
};

void ServerCore::stop(Duration deadline, TcpServer::StopCallback done) {
  base_.assert_in_loop_thread();
  if (torn_down_) return;
  if (done) stop_callbacks_.push_back(std::move(done));
  const MonotonicTime due = deadline_after(monotonic_now(), deadline);
  const bool sooner = !stopping_ || due < stop_due_;
  if (!std::exchange(stopping_, true)) {
    // First the path, so that nobody new comes while the queues are emptied.
    unix_paths_.clear();
    listeners_.clear();
    if (!disowned_) {
      for (const auto& acceptor : base_acceptors_) acceptor->drain();
    }
    base_acceptors_.clear();
    loops_to_stop_ = loops_.size();
    for (const auto& share : loops_) {
      auto answer = std::make_shared<StopAnswer>(shared_from_this());
      share->handle().queue([share, answer = std::move(answer), drain = !disowned_] {
        share->stop(drain, [answer](const StopReport& part) { answer->part = part; });
      });
    }
  }
  if (loops_to_stop_ == 0) {
    base_.queue_in_loop([core = shared_from_this()] { core->report_stopped({}); });
  } else if (sooner) {
    if (stop_timer_.is_valid()) base_.cancel(stop_timer_);
    stop_due_ = due;
    stop_timer_ = base_.run_at(due, [this] { cut_rest(); });
  }
}

void ServerCore::cut_rest() {
  stop_timer_ = {};
  for (const auto& share : loops_) {
    share->handle().queue([share] { share->cut(CloseReason::kServerStopped); });
  }
}

void ServerCore::report_stopped(const StopReport& report) {
  stop_report_.drained += report.drained;
  stop_report_.cut += report.cut;
  stop_report_.bytes_unsent += report.bytes_unsent;
  if (loops_to_stop_ > 0) --loops_to_stop_;
  if (loops_to_stop_ > 0 || torn_down_) return;
  if (stop_timer_.is_valid()) base_.cancel(std::exchange(stop_timer_, {}));
  for (const auto& done : std::exchange(stop_callbacks_, {})) done(stop_report_);
}

void ServerCore::tear_down() {
  base_.assert_in_loop_thread();
  if (std::exchange(torn_down_, true)) return;
  stop_callbacks_.clear();
  unix_paths_.clear();
  if (stop_timer_.is_valid()) base_.cancel(std::exchange(stop_timer_, {}));
  stop_loops();
  pool_ = nullptr;
}

/// Undoes start_loops() and accept_on().
void ServerCore::stop_loops() {
  base_acceptors_.clear();
  for (Listener& listener : listeners_) listener.watches.clear();
  for (const auto& share : loops_) {
    // A loop that has ended has let go of its share itself.
    run_and_wait(share->handle(), [&share] {
      share->tear_down(CloseReason::kServerStopped);
      return Result<void>();
    });
  }
  // What had left a loop before its turn has landed when the queues have been passed once more.
  for (const auto& share : loops_) run_and_wait(share->handle(), [] { return Result<void>(); });
  loops_.clear();
  shares_.clear();
  loop_has_ended_.clear();
  next_ = 0;
  if (!own_pool_) return;
  own_pool_.reset();
  pool_ = nullptr;
}

}  // namespace leat::internal
