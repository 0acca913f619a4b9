// Internal: makes operator new fail, for tests of what running out of memory does.
#pragma once

#include <cstddef>

namespace leat::test {

/// While it lives, the `nth` allocation of this thread from now on (1: the next one) throws
/// std::bad_alloc, once.
class FailingAllocation {
 public:
  explicit FailingAllocation(std::size_t nth);
  ~FailingAllocation();
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;

  /// Whether it has failed yet.
  [[nodiscard]] static bool happened();
};

}  // namespace leat::test
