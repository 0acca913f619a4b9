#include "leat/net/internal/server_core.h"

#include <fcntl.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "leat/base/assert.h"
#include "leat/base/logging.h"
#include "leat/net/internal/run_and_wait.h"
#include "leat/net/internal/socket_ops.h"
#include "leat/net/tls_context.h"
#include "leat/reactor/internal/deadline.h"

namespace leat::internal {

ServerCore::ServerCore(EventLoop& base, EventLoopThreadPool* shared_pool, TcpServerOptions options)
    : base_(base),
      pool_(shared_pool),
      options_(std::move(options)),
      profile_(std::make_shared<ConnectionProfile>()) {
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

// Listening.

std::size_t ServerCore::serving_loops() const {
  const std::size_t threads =
      own_pool_ || pool_ == nullptr ? options_.loops : pool_->loops().size();
  return threads == 0 ? 1 : threads;
}

Result<void> ServerCore::listen(const InetAddress& address) {
  base_.assert_in_loop_thread();
  if (stopping_) return Error::from_errno(ESHUTDOWN, "listen on " + address.to_string());
  if (Result<void> checked = check_balance(address); !checked) return checked;
  InetAddress bound = address;
  Result<Listener> listener = bind_all(bound);
  if (!listener) return std::move(listener).error();
  listener->address = bound;
  if (started_) {
    Result<void> accepting = accept_on(*listener);
    if (!accepting) return accepting;
  }
  balances_.push_back({bound, listener->balance, listener->reason});
  if (!started_) listeners_.push_back(std::move(*listener));
  addresses_.push_back(bound);
  unix_paths_.emplace_back(bound);
  return {};
}

Result<ServerCore::Listener> ServerCore::bind_all(InetAddress& address) const {
  Listener listener{.address = {}, .sockets = {}, .balance = balance_for(address), .reason = {}};
  if (listener.balance != options_.balance) listener.reason = "Unix sockets know no SO_REUSEPORT";
  const std::size_t count = has_group(listener.balance) ? serving_loops() : 1;
  ListenerOptions options{.backlog = options_.backlog,
                          .reuse_address = options_.reuse_address,
                          .reuse_port = address.is_ip() && (count > 1 || options_.share_port),
                          .connection = options_.connection};
  for (std::size_t i = 0; i < count; ++i) {
    options.first_of_group = options.reuse_port && i == 0 && !options_.share_port;
    Result<UniqueFd> socket = open_listener(address, options);
    if (!socket) return std::move(socket).error();
    if (i == 0) {
      Result<InetAddress> bound = InetAddress::local_of(socket->get());
      if (!bound) return std::move(bound).error();
      address = *bound;
    }
    listener.sockets.push_back(std::move(*socket));
  }
  return listener;
}

// Starting.

Result<void> ServerCore::start() {
  base_.assert_in_loop_thread();
  if (started_) return {};
  if (stopping_) return Error::from_errno(ESHUTDOWN, "start of a server that was stopped");
  if (options_.tls && !options_.tls->is_server()) {
    return Error::invalid_argument("TcpServer: tls is a context for clients");
  }
  Result<void> loops_started = start_loops();
  if (!loops_started) return loops_started;
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    Result<void> accepting = accept_on(listeners_[i]);
    if (!accepting) {
      stop_loops();
      return accepting;
    }
    balances_[i].balance = listeners_[i].balance;
    balances_[i].reason = listeners_[i].reason;
  }
  listeners_.clear();
  started_ = true;
  return {};
}

Result<void> ServerCore::start_loops() {
  if (pool_ == nullptr) {
    own_pool_ = std::make_unique<EventLoopThreadPool>(
        base_,
        EventLoopThreadPoolOptions{.name = options_.name,
                                   .count = options_.loops,
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
  for (const auto& share : loops_) {
    share->know_peers(peers);
    if (options_.balance == Balance::kLeastConnections) share->balance_load();
    if (&share->loop() == &base_) {
      share->attach();
    } else {
      share->loop().queue_in_loop([share] { share->attach(); });
    }
  }
  shares_.resize(loops_.size());
  loop_has_ended_.resize(loops_.size());
  return {};
}

/// Accepts from copies of the listener's descriptors, on every loop that it is for or on none.
Result<void> ServerCore::accept_on(Listener& listener) {
  apply_balance(listener);
  std::vector<UniqueFd> copies;
  const std::size_t count = listener.balance == Balance::kRoundRobin ? 1 : loops_.size();
  for (std::size_t i = 0; i < count; ++i) {
    const UniqueFd& socket = listener.sockets[listener.sockets.size() == 1 ? 0 : i];
    copies.emplace_back(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
    if (!copies.back()) return Error::from_errno(errno, "duplicating a listener");
  }
  if (listener.balance == Balance::kRoundRobin) return accept_on_base(std::move(copies.front()));
  const bool shared = listener.balance == Balance::kShared;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& share = loops_[i];
    const auto accepting = run_and_wait(share->handle(), [&share, &socket = copies[i], shared] {
      return share->accept_from(std::move(socket), shared);
    });
    if (!accepting) {
      LEAT_LOG_ERROR("server {}: loop {} has ended", options_.name, i);
    } else if (!*accepting) {
      while (i-- > 0) {
        run_and_wait(loops_[i]->handle(), [&dropping = loops_[i]] {
          dropping->drop_newest_acceptor();
          return Result<void>();
        });
      }
      return *accepting;
    }
  }
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
  LEAT_LOG_ERROR("server {}: loop {} has ended", options_.name, index);
  loop_has_ended_[index] = true;
  distribute(std::move(*sockets));
}

/// The next one in turn that has room, else the next one that lives; none if all have ended.
std::optional<std::size_t> ServerCore::next_loop() {
  std::optional<std::size_t> full;
  for (std::size_t tried = 0; tried < loops_.size(); ++tried) {
    const std::size_t index = next_;
    next_ = (next_ + 1) % loops_.size();
    if (loop_has_ended_[index]) continue;
    if (!loops_[index]->is_full()) return index;
    if (!full) full = index;
  }
  return full;
}

void ServerCore::pause_if_all_full() {
  for (std::size_t i = 0; i < loops_.size(); ++i) {
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
    for (const auto& acceptor : base_acceptors_) acceptor->drain();
    base_acceptors_.clear();
    loops_to_stop_ = loops_.size();
    for (const auto& share : loops_) {
      auto answer = std::make_shared<StopAnswer>(shared_from_this());
      share->handle().queue([share, answer = std::move(answer)] {
        share->stop([answer](const StopReport& part) { answer->part = part; });
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
