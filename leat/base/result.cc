#include "leat/base/result.h"

#include <cstdio>
#include <cstdlib>

namespace leat::internal {

void no_value(const Error& error) {
  std::fprintf(stderr, "leat: %s\n", error.message().c_str());
  std::abort();
}

}  // namespace leat::internal
