#include "leat/reactor/internal/uring_buffers.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "leat/base/assert.h"

namespace leat::internal {

namespace {

// Of <linux/io_uring.h> 6.12.
constexpr std::uint16_t kIncremental = 2;         // IOU_PBUF_RING_INC
constexpr std::uint32_t kMoreInBuffer = 1u << 4;  // IORING_CQE_F_BUF_MORE

// Large enough for one receive to take what a socket has; with a buffer for each message, more.
constexpr unsigned kIncrementalCount = 4;
constexpr unsigned kFewestIncremental = 2;  // one that is being filled, and one behind it
constexpr unsigned kFewest = 16;
constexpr unsigned kRoom = 16 * 1024;  // in front of buffers that are filled piece by piece
constexpr std::size_t kMapped = UringBuffers::kMemory + kIncrementalCount * kRoom;

void* map(std::size_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

UringBuffers::~UringBuffers() {
  // The ring is gone before, and with it the registration.
  if (entries_ != nullptr) ::munmap(entries_, kMostBuffers * sizeof(io_uring_buf));
  if (memory_ != nullptr) ::munmap(memory_, kMapped);
}

Result<void> UringBuffers::open(io_uring& ring) {
  entries_ = static_cast<io_uring_buf_ring*>(map(kMostBuffers * sizeof(io_uring_buf)));
  // Pages are given by the kernel as they are first used: a quiet loop costs little.
  memory_ = static_cast<char*>(map(kMapped));
  if (entries_ == nullptr || memory_ == nullptr) return Error::from_errno(errno, "mmap");
  fewest_ = kFewestIncremental;
  int error = try_to_register(ring, kIncrementalCount, kIncremental);
  if (error == EINVAL) {
    fewest_ = kFewest;
    error = try_to_register(ring, kMostBuffers, 0);
  }
  if (error != 0) return Error::from_errno(error, "io_uring_register_buf_ring");
  for (unsigned i = 0; i < count_; ++i) spare_[i] = static_cast<std::uint16_t>(count_ - 1 - i);
  while (lent_ < fewest_) lend(spare_[count_ - ++lent_]);
  return {};
}

int UringBuffers::try_to_register(io_uring& ring, unsigned count, std::uint16_t flags) {
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(entries_);
  registration.ring_entries = count;
  registration.bgid = kGroup;
  // `pad` in older headers, `flags` in newer ones.
  constexpr std::size_t kFlags = offsetof(io_uring_buf_reg, bgid) + sizeof registration.bgid;
  std::memcpy(reinterpret_cast<char*>(&registration) + kFlags, &flags, sizeof flags);
  const int error = -::io_uring_register_buf_ring(&ring, &registration, 0);
  if (error != 0) return error;
  io_uring_buf_ring_init(entries_);
  count_ = count;
  size_ = static_cast<unsigned>(kMemory / count);
  room_ = (flags & kIncremental) != 0 ? kRoom : 0;
  return 0;
}

bool UringBuffers::keep_for_next(int result, std::uint32_t flags) {
  if ((flags & kMoreInBuffer) != 0 || !kept_.empty()) return false;
  const std::string_view end = bytes(result, flags);
  if (end.size() > room_) return false;
  kept_ = end;
  kept_id_ = flags >> IORING_CQE_BUFFER_SHIFT;
  return true;
}

std::string_view UringBuffers::bytes(int result, std::uint32_t flags) {
  LEAT_ASSERT((flags & IORING_CQE_F_BUFFER) != 0, "a completion without a buffer");
  const unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;
  const std::string_view came{memory_of(id) + used_[id], static_cast<std::size_t>(result)};
  if (kept_.empty()) return came;
  LEAT_ASSERT(used_[id] == 0, "the kernel went on in the middle of a buffer");
  char* const both = memory_of(id) - kept_.size();
  std::memcpy(both, kept_.data(), kept_.size());
  return {both, kept_.size() + came.size()};
}

void UringBuffers::give_back(int result, std::uint32_t flags) {
  if (!kept_.empty()) {
    kept_ = {};
    take_back(kept_id_);
  }
  const unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;
  if ((flags & kMoreInBuffer) != 0) {
    used_[id] += static_cast<std::uint32_t>(std::max(result, 0));
  } else {
    take_back(id);
  }
}

void UringBuffers::take_back(unsigned id) {
  used_[id] = 0;
  ++calm_;
  if (calm_ >= kCalm && lent_ > fewest_) {
    spare_[count_ - lent_--] = static_cast<std::uint16_t>(id);
    calm_ = 0;
  } else {
    lend(id);
  }
}

void UringBuffers::starved() {
  // The others of a round that starved have nothing new to say.
  if (calm_ == 0) return;
  for (unsigned more = std::min((lent_ + 1) / 2, count_ - lent_); more > 0; --more) {
    lend(spare_[count_ - ++lent_]);
  }
  calm_ = 0;
}

void UringBuffers::lend(unsigned id) {
  io_uring_buf_ring_add(entries_, memory_of(id), size_, static_cast<unsigned short>(id),
                        io_uring_buf_ring_mask(count_), 0);
  io_uring_buf_ring_advance(entries_, 1);
}

}  // namespace leat::internal
