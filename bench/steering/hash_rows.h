// Internal: the rows about hashes.
#pragma once

#include <vector>

#include "row.h"

namespace leat::bench {

/// The Toeplitz hash of IPv4 and IPv6 four-tuples one by one, one after the other, and in bulk, and
/// the other hashes of a flow. Ends the process if contenders of a row disagree.
std::vector<Row> hash_rows();

}  // namespace leat::bench
