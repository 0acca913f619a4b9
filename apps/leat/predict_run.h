// Internal: one forecast, from the trace to the result.
#pragma once

#include "leat/base/result.h"

#include "apps/leat/predict_options.h"
#include "apps/leat/predict_result.h"

namespace leat::app {

/// An error if nothing could be begun; a trace that is damaged later leaves a result with an error.
[[nodiscard]] Result<PredictResult> predict(const PredictOptions& options);

}  // namespace leat::app
