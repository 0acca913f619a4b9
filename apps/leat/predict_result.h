// Internal: what a forecast found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "leat/base/monotonic_time.h"

#include "apps/leat/predict_flows.h"
#include "apps/leat/predict_options.h"

namespace leat::app {

struct PredictQueue {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t flows = 0;  ///< Whose last packet came in there.
};

struct PredictCpu {
  std::uint64_t packets = 0;  ///< That it handled; dropped ones are not among them.
  std::uint64_t bytes = 0;
  std::uint64_t flows = 0;      ///< Whose last packet it handled.
  std::uint64_t on_reader = 0;  ///< Packets whose reader runs there.
  std::uint64_t dropped_full = 0;
  std::uint64_t dropped_flow_limit = 0;
};

/// Packets of the trace that did not go by a flow.
struct PredictOdd {
  std::uint64_t outgoing = 0;       ///< Sent by the capturing machine: left out of everything.
  std::uint64_t not_ip = 0;         ///< On queue 0, as cards do with what they cannot hash.
  std::uint64_t illegal = 0;        ///< Headers that cannot be, or are not all there: the same.
  std::uint64_t first_illegal = 0;  ///< Its number in the trace, from 1.
  std::string first_illegal_why;
};

/// A card's setting and a mask of RPS that were tried on the flows of the trace.
struct PredictTrial {
  PredictCard card;
  CpuSet rps;
  double cpu_imbalance = 0;
  double queue_imbalance = 0;
};

struct PredictBest {
  PredictTrial as_asked;
  PredictTrial best;
  PredictTrial same_key;  ///< The best with the key that was asked for.
  std::size_t tried = 0;
  std::size_t flows = 0;  ///< That were looked at: the heaviest.
  double share = 1;       ///< Of the packets of all flows that those have.
  double bound = 1;       ///< CPU imbalance that the heaviest flow alone brings about.
};

struct PredictResult {
  std::uint64_t packets = 0;  ///< Steered: all but the outgoing.
  std::uint64_t bytes = 0;    ///< On the wire.
  std::uint64_t flows = 0;
  Duration length{0};    ///< From the first packet to the last.
  bool has_time = true;  ///< False if some packet had none.
  PredictOdd odd;
  std::vector<PredictQueue> queues;
  std::vector<PredictCpu> cpus;
  std::uint64_t flow_packets = 0;  ///< Handled packets that belong to a flow.
  std::uint64_t moves = 0;         ///< Of flows between CPUs.
  std::size_t filters_most = 0;    ///< In use at one time.
  std::size_t filters_capacity = 0;
  std::vector<PredictFlow> heaviest;
  std::optional<PredictBest> best;   ///< None without flows.
  std::optional<std::string> error;  ///< Why the trace was not read to its end.
};

/// Maximum over mean of `loads`' packets; 0 if there are none.
template <typename Loads>
[[nodiscard]] double imbalance(const Loads& loads) {
  std::uint64_t most = 0;
  std::uint64_t sum = 0;
  for (const auto& load : loads) {
    most = load.packets > most ? load.packets : most;
    sum += load.packets;
  }
  if (sum == 0) return 0;
  return static_cast<double>(most) * static_cast<double>(loads.size()) / static_cast<double>(sum);
}

template <typename Loads, typename Member>
[[nodiscard]] std::uint64_t total(const Loads& loads, Member member) {
  std::uint64_t sum = 0;
  for (const auto& load : loads) sum += load.*member;
  return sum;
}

}  // namespace leat::app
