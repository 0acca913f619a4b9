// Internal: makes operator new fail, for tests of what running out of memory does.
#pragma once

#include <cstddef>

#include <gtest/gtest.h>

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

/// Makes a new Scene for each allocation that one makes and lets it fail there, until none is left:
/// `fail(nth, ended)` returns whether something failed, and sets whether it cost a connection.
/// Returns how many it cost.
template <typename Scene>
int fail_each_allocation() {
  int cost = 0;
  bool happened = true;
  for (std::size_t nth = 1; happened && !::testing::Test::HasFailure(); ++nth) {
    SCOPED_TRACE(nth);
    bool ended = false;
    happened = Scene().fail(nth, ended);
    if (ended) ++cost;
  }
  return cost;
}

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
