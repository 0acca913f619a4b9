// Internal: the rows about whole decisions.
#pragma once

#include <vector>

#include "row.h"

namespace leat::bench {

/// From a packet's flow to the CPU: the card's hash and queue, then RFS, then RPS, with tables for
/// 1,000, 64,000 and 1,000,000 flows.
std::vector<Row> decision_rows();

}  // namespace leat::bench
