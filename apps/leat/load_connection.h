// Internal: one connection slot of `leat load`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/base/unique_fd.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/channel.h"
#include "leat/reactor/timer_id.h"

#include "apps/leat/load_protocol.h"

namespace leat::app {

/// A request under way.
struct LoadRequest {
  MonotonicTime start;  ///< From which its latency counts: open loop, when it was meant to start.
  MonotonicTime sent;
  std::size_t bytes = 0;
};

/// A place for one connection at a time, with the requests under way on it, oldest first.
struct LoadConnection {
  enum class State : std::uint8_t { kNone, kWaiting, kDialling, kOpen, kClosing };

  State state = State::kNone;
  bool available = false;  ///< Stands in the worker's queue of connections with room.
  bool useful = false;     ///< The present connection has brought an answer.
  std::size_t index = 0;   ///< Of all connections of the run.
  std::unique_ptr<LoadProtocol> protocol;

  UniqueFd dialled;
  std::unique_ptr<Channel> dial_channel;
  TimerId dial_timer;
  MonotonicTime dial_start;
  TcpConnectionPtr tcp;

  std::uint64_t answers = 0;         ///< Counted ones.
  std::uint64_t bytes_received = 0;  ///< Since the last answer.

  // A ring of `pipeline` places.
  std::vector<LoadRequest> requests;
  std::size_t first = 0;
  std::size_t under_way = 0;

  [[nodiscard]] bool has_room() const { return under_way < requests.size(); }
  [[nodiscard]] const LoadRequest& oldest() const { return requests[first]; }
  void push(const LoadRequest& request) {
    requests[(first + under_way++) % requests.size()] = request;
  }
  void pop() {
    first = (first + 1) % requests.size();
    --under_way;
  }
};

}  // namespace leat::app
