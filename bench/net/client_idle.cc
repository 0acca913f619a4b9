// Idle connections: each has been used once, and then rests.

#include <algorithm>
#include <cstdio>
#include <vector>

#include "bench/net/client.h"

namespace leat::bench {

namespace {

/// So many at once stay below every accept queue.
constexpr std::size_t kBatch = 500;

}  // namespace

int run_idle(const ClientOptions& options) {
  std::vector<std::unique_ptr<Load>> batches;
  ClientOptions batch = options;
  for (std::size_t left = options.connections; left > 0; left -= batch.connections) {
    batch.connections = std::min(left, kBatch);
    batches.push_back(make_load(batch, options.targets.front()));
    batches.back()->begin();
    batches.back()->finish();
  }
  std::printf("{\"connections\": %zu}\n", options.connections);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

}  // namespace leat::bench
