#include "tests/reactor/failing_allocator.h"

#include <cstdlib>
#include <new>

namespace {

thread_local std::size_t g_left = 0;  // 0: none is going to fail

void* allocate(std::size_t size, std::size_t alignment) {
  if (g_left != 0 && --g_left == 0) throw std::bad_alloc();
  void* memory =
      alignment <= alignof(std::max_align_t)
          ? std::malloc(size)
          : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

namespace leat::test {

FailingAllocation::FailingAllocation(std::size_t nth) {
  g_left = nth;
}
FailingAllocation::~FailingAllocation() {
  g_left = 0;
}
bool FailingAllocation::happened() {
  return g_left == 0;
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
