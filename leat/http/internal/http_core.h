// Internal: what the connections of one server share.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "leat/http/http_handler.h"
#include "leat/http/http_options.h"
#include "leat/http/internal/loop_state.h"

namespace leat {
class EventLoop;
}

namespace leat::http::internal {

/// One of the two is set.
struct Route {
  std::string path;  ///< Empty: everything.
  HttpHandler handler;
  UploadHandler upload;
};

/// Written before the server starts, then read by all loops.
class HttpCore {
 public:
  HttpCore(HttpOptions options, std::size_t high_water_mark)
      : options_(options), high_water_mark_(high_water_mark) {}

  [[nodiscard]] const HttpOptions& options() const { return options_; }
  [[nodiscard]] std::size_t high_water_mark() const { return high_water_mark_; }

  /// Takes the place of a route of the same path.
  void add_route(Route route);
  /// None if nobody serves `path`.
  [[nodiscard]] const Route* find_route(std::string_view path) const;

  /// The state of `loop`, made when it is first asked for. Any thread.
  [[nodiscard]] std::shared_ptr<LoopState> state_of(const EventLoop& loop);
  [[nodiscard]] std::vector<const HttpCounters*> counters() const;

 private:
  const HttpOptions options_;
  const std::size_t high_water_mark_;
  std::vector<Route> routes_;  // longest path first
  mutable std::mutex mutex_;
  std::vector<std::pair<const EventLoop*, std::shared_ptr<LoopState>>> states_;  // under mutex_
};

}  // namespace leat::http::internal
