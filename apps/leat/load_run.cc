#include "apps/leat/load_run.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

namespace leat::app {

LoadRun::LoadRun(EventLoop& base, const LoadOptions& options)
    : base_(base),
      options_(options),
      protocols_(options.target.protocol == LoadTarget::Protocol::kHttp
                     ? make_http_factory(options)
                     : make_echo_factory(options)),
      pool_(base, EventLoopThreadPoolOptions{
                      .name = "load",
                      .count = options.threads.count,
                      .cpus = EventLoopThreadPool::one_cpu_each(options.threads.cpus),
                      .poller = PollerKind::kDefault,
                      .on_start = {},
                      .on_exception = {}}) {}

LoadRun::~LoadRun() {
  pool_.stop();
}

Result<LoadResult> LoadRun::run() {
  Result<std::unique_ptr<SignalWatcher>> signals = SignalWatcher::create(
      base_, {SIGINT, SIGTERM}, [this](int signal, const auto&) { handle_signal(signal); });
  if (!signals) return std::move(signals).error();
  signals_ = *std::move(signals);
  if (Result<void> started = start_workers(); !started) return std::move(started).error();
  if (Result<void> ended = base_.loop(); !ended) return std::move(ended).error();
  // Joins the threads, so that the results may be read.
  pool_.stop();
  if (done_workers_ < workers_.size() && open_connections_ == 0 && fatal_signal_ == 0) {
    for (const auto& worker : workers_) {
      if (const std::optional<Error>& error = worker->open_error()) {
        return Error::from_errno(error->number(),
                                 "no connection could be opened: " + error->context());
      }
    }
  }
  return collect();
}

Result<void> LoadRun::start_workers() {
  if (Result<void> started = pool_.start(); !started) return started;
  const std::size_t count = options_.threads.count;
  const auto part = [count](std::uint64_t total, std::size_t index) {
    return total / count + (index < total % count ? 1 : 0);
  };
  std::size_t first = 0;
  for (std::size_t i = 0; i < count; ++i) {
    LoadShare share{.index = i,
                    .of = count,
                    .connections = part(options_.connections, i),
                    .first_connection = first,
                    .requests = {}};
    if (options_.requests) share.requests = part(*options_.requests, i);
    first += share.connections;
    workers_.push_back(
        std::make_unique<LoadWorker>(*pool_.loops()[i], options_, *protocols_, share));
  }
  open_start_ = monotonic_now();
  for_each_worker([this](LoadWorker& worker) {
    worker.open(
        [this](std::size_t open) { base_.queue_in_loop([this, open] { worker_opened(open); }); });
  });
  return {};
}

void LoadRun::for_each_worker(const std::function<void(LoadWorker&)>& action) {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    pool_.loops()[i]->queue_in_loop([action, worker = workers_[i].get()] { action(*worker); });
  }
}

void LoadRun::worker_opened(std::size_t open) {
  open_connections_ += open;
  if (++opened_workers_ < workers_.size()) return;
  open_time_ = monotonic_now() - open_start_;
  if (open_connections_ == 0) return base_.quit();
  start_load();
}

void LoadRun::start_load() {
  if (options_.idle) {
    fmt::print(stderr, "leat load: {} connections are open\n", open_connections_);
  }
  started_ = true;
  for_each_worker([this, at = monotonic_now()](LoadWorker& worker) {
    worker.start(at, [this] { base_.queue_in_loop([this] { worker_done(); }); });
  });
}

void LoadRun::worker_done() {
  if (++done_workers_ == workers_.size()) base_.quit();
}

void LoadRun::handle_signal(int signal) {
  if (!started_ || std::exchange(interrupted_, true)) {
    fatal_signal_ = signal;
    return base_.quit();
  }
  for_each_worker([](LoadWorker& worker) { worker.end(); });
}

LoadResult LoadRun::collect() {
  LoadResult result;
  MonotonicTime until{};
  MonotonicTime from = MonotonicTime::max();
  for (const auto& worker : workers_) {
    result.all.merge(worker->stats());
    result.threads.push_back(worker->stats());
    from = std::min(from, worker->measured_from());
    until = std::max(until, worker->measured_until());
  }
  // A fixed number of requests ends with the last answer.
  if (options_.requests && result.all.last_answer > from) {
    until = std::min(until, result.all.last_answer);
  }
  if (until > from && until != MonotonicTime::max()) result.duration_s = to_seconds(until - from);
  result.connect_s = to_seconds(open_time_);
  return result;
}

}  // namespace leat::app
