#include "leat/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace leat::internal {

void assertion_failed(const char* condition, const char* message, const char* file, int line) {
  std::fprintf(stderr, "leat: %s:%d: precondition broken: %s (%s)\n", file, line, message,
               condition);
  std::abort();
}

}  // namespace leat::internal
