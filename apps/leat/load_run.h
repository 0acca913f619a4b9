// Internal: a whole run of `leat load`, over its threads.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "leat/base/result.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/event_loop_thread_pool.h"
#include "leat/reactor/signal_watcher.h"

#include "apps/leat/load_options.h"
#include "apps/leat/load_protocol.h"
#include "apps/leat/load_stats.h"
#include "apps/leat/load_worker.h"

namespace leat::app {

/// On the main thread's loop, which waits while the workers' loops do the load: all open their
/// connections, then all start at the same moment.
class LoadRun {
 public:
  LoadRun(EventLoop& base, const LoadOptions& options);
  ~LoadRun();

  /// Runs to the end. Fails if threads cannot be made or no connection can be opened.
  Result<LoadResult> run();
  /// The signal that cut the run short without a report; 0 if none did.
  [[nodiscard]] int fatal_signal() const { return fatal_signal_; }

 private:
  Result<void> start_workers();
  void worker_opened(std::size_t open);
  void start_load();
  void worker_done();
  void handle_signal(int signal);
  void for_each_worker(const std::function<void(LoadWorker&)>& action);
  [[nodiscard]] LoadResult collect();

  EventLoop& base_;
  const LoadOptions& options_;
  std::unique_ptr<SignalWatcher> signals_;
  std::unique_ptr<LoadProtocolFactory> protocols_;
  std::vector<std::unique_ptr<LoadWorker>> workers_;
  EventLoopThreadPool pool_;  // after workers_: its end closes their connections
  MonotonicTime open_start_;
  Duration open_time_{0};
  std::size_t opened_workers_ = 0;
  std::size_t open_connections_ = 0;
  std::size_t done_workers_ = 0;
  bool started_ = false;
  bool interrupted_ = false;
  int fatal_signal_ = 0;
};

}  // namespace leat::app
