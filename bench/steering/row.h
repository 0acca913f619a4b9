// Internal: what the steering benchmark measures, and how it is asked for it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace leat::bench {

/// One who does the work of a row.
struct Contender {
  std::string name;
  /// Does the work `passes` times over.
  std::function<void(std::size_t passes)> run;
};

struct Row {
  std::string title;
  /// Hashes or decisions in a pass; the figure is nanoseconds for each of them.
  std::size_t operations;
  std::vector<Contender> contenders;
};

/// Keeps the compiler from leaving out what makes `value`.
template <typename T>
inline void keep(const T& value) {
  asm volatile("" : : "r"(value) : "memory");
}

}  // namespace leat::bench
