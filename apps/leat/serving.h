// Internal: one run of `leat serve`.
#pragma once

#include <memory>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/signal_watcher.h"

#include "apps/leat/event_log.h"
#include "apps/leat/service.h"
#include "apps/leat/succession.h"

namespace leat::app {

/// On the main thread's loop; the loops that serve are others.
///
///     start -> serving --SIGTERM, SIGINT--> draining --all finished, or cut--> reported, end
///                            or a successor    |
///                            that serves       +--a second signal--> end at once
class Serving {
 public:
  Serving(EventLoop& base, const ServeOptions& options)
      : base_(base),
        options_(options),
        log_(options.json),
        succession_(base, log_, options.takeover,
                    {.on_succeeded = [this] { drain(); },
                     .on_rejected =
                         [this] {
                           status_ = 1;
                           drain();
                         }}) {}

  Result<void> start();
  /// Until the end; returns the exit status.
  int run();

 private:
  void handle_signal(int signal);
  void reload_certificates();
  void resize(int signal);
  void drain();
  [[nodiscard]] std::vector<InetAddress> addresses();
  void announce();
  void report(const StopReport& stop);

  EventLoop& base_;
  const ServeOptions& options_;
  EventLog log_;
  std::unique_ptr<SignalWatcher> signals_;
  Succession succession_;
  std::unique_ptr<Service> service_;
  MonotonicTime started_;
  bool stopping_ = false;
  int status_ = 0;
};

}  // namespace leat::app
