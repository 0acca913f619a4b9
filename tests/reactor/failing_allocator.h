// Internal: makes operator new fail, for tests of what running out of memory does.
#pragma once

#include <cstddef>

namespace leat::test {

/// While it lives, `count` allocations of this thread throw std::bad_alloc, from the `nth` from
/// now on (1: the next one).
class FailingAllocation {
 public:
  explicit FailingAllocation(std::size_t nth, std::size_t count = 1);
  ~FailingAllocation();
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;

  /// Whether all of them have failed.
  [[nodiscard]] static bool happened();
};

/// While it lives, one allocation of each new thread throws std::bad_alloc, the `nth` of that
/// thread.
class FailingAllocationOfNewThreads {
 public:
  explicit FailingAllocationOfNewThreads(std::size_t nth);
  ~FailingAllocationOfNewThreads();
  FailingAllocationOfNewThreads(const FailingAllocationOfNewThreads&) = delete;
  FailingAllocationOfNewThreads& operator=(const FailingAllocationOfNewThreads&) = delete;
};

}  // namespace leat::test
