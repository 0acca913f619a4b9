#include "tests/reactor/failing_allocator.h"

#include <atomic>
#include <cstdlib>
#include <new>
#include <utility>

namespace {

std::atomic<std::size_t> g_of_new_threads{0};  // the allocation that fails; 0: none

/// What this thread's next allocations do. Constant-initialised: it is used by the first of them.
struct Plan {
  bool is_new = true;
  std::size_t before = 0;    // allocations that succeed before the first failure
  std::size_t failures = 0;  // that are still to come
};
constinit thread_local Plan t_plan;

bool must_fail() {
  if (std::exchange(t_plan.is_new, false)) {
    if (const std::size_t nth = g_of_new_threads.load(); nth > 0) t_plan = {false, nth - 1, 1};
  }
  if (t_plan.failures == 0) return false;
  if (t_plan.before > 0) {
    --t_plan.before;
    return false;
  }
  --t_plan.failures;
  return true;
}

void* allocate(std::size_t size, std::size_t alignment) {
  if (must_fail()) throw std::bad_alloc();
  void* memory =
      alignment <= alignof(std::max_align_t)
          ? std::malloc(size)
          : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

namespace leat::test {

FailingAllocation::FailingAllocation(std::size_t nth, std::size_t count) {
  t_plan = {false, nth - 1, count};
}
FailingAllocation::~FailingAllocation() {
  t_plan.failures = 0;
}
bool FailingAllocation::happened() {
  return t_plan.failures == 0;
}

FailingAllocationOfNewThreads::FailingAllocationOfNewThreads(std::size_t nth) {
  g_of_new_threads.store(nth);
}
FailingAllocationOfNewThreads::~FailingAllocationOfNewThreads() {
  g_of_new_threads.store(0);
}

}  // namespace leat::test

// All forms that are not given here end in one of these, by the standard library.
void* operator new(std::size_t size) {
  return allocate(size, 1);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
