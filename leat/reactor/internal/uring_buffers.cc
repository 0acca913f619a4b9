#include "leat/reactor/internal/uring_buffers.h"

#include <sys/mman.h>

#include <cerrno>

#include "leat/base/assert.h"

namespace leat::internal {

namespace {

constexpr std::size_t kEntriesSize = UringBuffers::kCount * sizeof(io_uring_buf);
constexpr std::size_t kMemorySize = UringBuffers::kCount * UringBuffers::kSize;

void* map(std::size_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

UringBuffers::~UringBuffers() {
  // The ring is gone before, and with it the registration.
  if (entries_ != nullptr) ::munmap(entries_, kEntriesSize);
  if (memory_ != nullptr) ::munmap(memory_, kMemorySize);
}

Result<void> UringBuffers::open(io_uring& ring) {
  static_assert((kCount & (kCount - 1)) == 0, "the kernel wants a power of two");
  entries_ = static_cast<io_uring_buf_ring*>(map(kEntriesSize));
  // Pages are given by the kernel as they are first used: a quiet loop costs little.
  memory_ = static_cast<char*>(map(kMemorySize));
  if (entries_ == nullptr || memory_ == nullptr) return Error::from_errno(errno, "mmap");
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(entries_);
  registration.ring_entries = kCount;
  registration.bgid = kGroup;
  const int registered = ::io_uring_register_buf_ring(&ring, &registration, 0);
  if (registered != 0) return Error::from_errno(-registered, "io_uring_register_buf_ring");
  io_uring_buf_ring_init(entries_);
  for (unsigned id = 0; id < kCount; ++id) {
    io_uring_buf_ring_add(entries_, memory_of(id), kSize, static_cast<unsigned short>(id),
                          io_uring_buf_ring_mask(kCount), static_cast<int>(id));
  }
  io_uring_buf_ring_advance(entries_, kCount);
  return {};
}

std::string_view UringBuffers::bytes(int result, std::uint32_t flags) const {
  LEAT_ASSERT((flags & IORING_CQE_F_BUFFER) != 0, "a completion without a buffer");
  return {memory_of(flags >> IORING_CQE_BUFFER_SHIFT), static_cast<std::size_t>(result)};
}

void UringBuffers::give_back(std::uint32_t flags) {
  const unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;
  io_uring_buf_ring_add(entries_, memory_of(id), kSize, static_cast<unsigned short>(id),
                        io_uring_buf_ring_mask(kCount), 0);
  io_uring_buf_ring_advance(entries_, 1);
}

}  // namespace leat::internal
