// Internal: which setting would spread the flows of a trace best.
#pragma once

#include <vector>

#include "leat/base/result.h"

#include "apps/leat/predict_flows.h"
#include "apps/leat/predict_options.h"
#include "apps/leat/predict_result.h"

namespace leat::app {

/// Tries the setting that was asked for and others (all queues alike; other keys; sd and sdfn; RPS
/// off and on all CPUs) by the packets of each flow, without time: what matters is the maximum over
/// the mean of the CPUs, and where that is the same, of the queues. Among equals the first wins,
/// which is the one asked for or nearest to it. With RFS the readers' CPUs count, whatever the card
/// does. `flows` must not be empty.
[[nodiscard]] Result<PredictBest> find_best(const PredictOptions& options,
                                            const std::vector<PredictFlow>& flows);

}  // namespace leat::app
