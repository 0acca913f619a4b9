// Internal: how `leat predict` tells its result.
#pragma once

#include <string>

#include "apps/leat/predict_options.h"
#include "apps/leat/predict_result.h"

namespace leat::app {

[[nodiscard]] std::string predict_report_text(const PredictOptions& options,
                                              const PredictResult& result);
/// One object, docs/leat-predict.md.
[[nodiscard]] std::string predict_report_json(const PredictOptions& options,
                                              const PredictResult& result);
/// A picture of the spread over queues and CPUs, as a whole SVG document.
[[nodiscard]] std::string predict_svg(const PredictOptions& options, const PredictResult& result);

/// "tcp 192.0.2.1:40000 > 198.51.100.2:443".
[[nodiscard]] std::string flow_text(const wire::FlowKey& key);
/// "rps off", "rps on CPUs 0-3".
[[nodiscard]] std::string rps_text(const CpuSet& mask);
/// How much of the trace's time the CPU would have been at work: 1 is all of it; 0 if the trace
/// has no length.
[[nodiscard]] double busy(const PredictOptions& options, const PredictResult& result,
                          const PredictCpu& cpu);
[[nodiscard]] double share(std::uint64_t part, std::uint64_t whole);

}  // namespace leat::app
