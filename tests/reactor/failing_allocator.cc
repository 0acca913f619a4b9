#include "tests/reactor/failing_allocator.h"

#include <cstdlib>
#include <new>

namespace {

thread_local std::size_t g_before = 0;    // allocations that succeed before the first failure
thread_local std::size_t g_failures = 0;  // that are still to come

bool must_fail() {
  if (g_failures == 0) return false;
  if (g_before > 0) {
    --g_before;
    return false;
  }
  --g_failures;
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
  g_before = nth - 1;
  g_failures = count;
}
FailingAllocation::~FailingAllocation() {
  g_failures = 0;
}
bool FailingAllocation::happened() {
  return g_failures == 0;
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
