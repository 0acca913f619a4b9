#include "apps/leat/command.h"

#include <cstdio>

#include <fmt/format.h>

namespace leat::app {

int fail(std::string_view command, std::string_view message) {
  fmt::print(stderr, "leat {}: {}\n", command, message);
  return kFailure;
}

}  // namespace leat::app
