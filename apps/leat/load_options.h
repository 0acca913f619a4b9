// Internal: what `leat load` was asked to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "leat/base/monotonic_time.h"

#include "apps/leat/load_target.h"
#include "apps/leat/threads.h"

namespace leat::app {

struct LoadOptions {
  LoadTarget target;
  std::size_t connections = 64;
  Threads threads;
  Duration duration = std::chrono::seconds(10);
  bool has_duration = false;
  Duration warmup{0};
  Duration timeout = std::chrono::seconds(5);
  std::optional<std::uint64_t> requests;
  std::optional<double> rate;  ///< A second, in all: open loop.
  std::size_t pipeline = 1;
  std::size_t size = 64;
  std::vector<std::string> headers;  ///< "Name: value", checked.
  bool new_connections = false;
  bool idle = false;
  bool any_body = false;
  bool allow_errors = false;
  bool json = false;
  bool histogram = false;
};

}  // namespace leat::app
