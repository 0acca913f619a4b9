// Internal: what all servers of the benchmark have in common.
#pragma once

#include <cstddef>
#include <cstdio>

namespace leat::bench {

/// Bytes that a server offers to one read.
constexpr std::size_t kReadSize = 64 * 1024;
constexpr int kBacklog = 4096;
/// What the HTTP servers answer, as text/plain.
constexpr const char* kHello = "Hello, World!";

/// Tells bench/run.py where to connect and what it measures. Call it once clients may come.
inline void announce(unsigned port, const char* library, const char* version) {
  std::printf("listening %u %s %s\n", port, library, version);
  std::fflush(stdout);
}

}  // namespace leat::bench
