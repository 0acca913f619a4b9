// Internal: clients of the balance benchmark, blocking, one request at a time each.
#pragma once

#include <string_view>

#include "leat/base/histogram.h"
#include "leat/net/inet_address.h"

namespace leat::bench {

/// A request is one byte: how much the server has to do for it.
inline constexpr char kLight = 'l';  // 5 us
inline constexpr char kHeavy = 'h';  // 100 us

struct Load {
  std::string_view name;
  int threads;      ///< Each with connections of its own.
  int connections;  ///< Of a thread; its requests go over them in turn.
  int requests;     ///< Of a thread; 0 connections: each over a new one.
  int heavy_of;     ///< Every so-manieth connection sends heavy requests; 0: none.
};

/// Runs a load to its end. Latencies are in nanoseconds, with connecting for short connections.
[[nodiscard]] Histogram run_load(const InetAddress& server, const Load& load);

}  // namespace leat::bench
