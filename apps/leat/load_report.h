// Internal: what `leat load` prints at the end.
#pragma once

#include <string>

#include "apps/leat/load_options.h"
#include "apps/leat/load_stats.h"

namespace leat::app {

/// One JSON object; its keys are described in docs/leat-load.md, which others rely on.
[[nodiscard]] std::string load_report_json(const LoadOptions& options, const LoadResult& result);
/// For people, at most 100 columns wide, with a newline at the end.
[[nodiscard]] std::string load_report_text(const LoadOptions& options, const LoadResult& result);

}  // namespace leat::app
