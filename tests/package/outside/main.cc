// A user's program: inlines from the headers, and calls into the library.
#include <fmt/core.h>

#include "leat/base/timestamp.h"

int main() {
  const auto parsed = leat::Timestamp::parse("2026-11-22T07:00:00Z");
  if (!parsed || parsed->to_iso8601(false) != "2026-11-22T07:00:00Z") return 1;
  fmt::print("leat answers\n");
}
