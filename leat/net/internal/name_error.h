// Internal: which of two failures to find addresses tells more.
#pragma once

#include <cerrno>

#include "leat/base/result.h"

namespace leat::internal {

/// For one family; the other may have fared better.
[[nodiscard]] inline bool is_final_name_error(const Error& error) {
  return error.number() == ENXIO || error.number() == ENODATA;
}

/// A failure that may pass tells more than that there is no address, and that more than that
/// there is no such name, which of a name with addresses of one family is not true.
[[nodiscard]] inline bool tells_more(const Error& a, const Error& b) {
  const auto weight = [](const Error& error) {
    return !is_final_name_error(error) ? 2 : error.number() == ENODATA ? 1 : 0;
  };
  return weight(a) > weight(b);
}

}  // namespace leat::internal
