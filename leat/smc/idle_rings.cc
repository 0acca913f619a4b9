#include "leat/smc/internal/idle_rings.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>

#include <cstddef>

#include "leat/smc/direction_lock.h"
#include "leat/smc/segment.h"

namespace leat::smc::internal {

namespace {

constexpr std::size_t kBig = 1;

bool has_memory(const MemoryFile& file, std::uint64_t begin, std::uint64_t end) {
  return file.next_data(begin, end) < end;
}

/// As Sender::big_ring_is_idle(), by what the sender of `mine` and its peer have published.
bool is_idle(const EndControl& mine) {
  return lane_of(sent_span(mine)) != Lane::kBig &&
         mine.tx_produced[kBig].load(std::memory_order_relaxed) ==
             mine.consumed[kBig].load(std::memory_order_acquire);
}

/// Under the sender's lock, which lies in the segment: it writes nowhere meanwhile. The mapping
/// lasts as long, for one that stays would keep probe() from telling the truth.
bool give_back(const MemoryFile& file, unsigned sender, std::uint64_t begin, std::uint64_t size) {
  void* const at = ::mmap(nullptr, SegmentLayout::kControlBytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                          file.fd(), static_cast<off_t>(SegmentLayout::control(sender)));
  if (at == MAP_FAILED) return false;
  EndControl& control = *static_cast<EndControl*>(at);
  DirectionLock lock(control.tx_lock);
  bool gave = false;
  if (lock.try_lock(DirectionLock::this_thread()) == LockResult::kTaken) {
    gave =
        is_idle(control) && ::fallocate(file.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                        static_cast<off_t>(begin), static_cast<off_t>(size)) == 0;
    lock.unlock();
  }
  ::munmap(at, SegmentLayout::kControlBytes);
  return gave;
}

}  // namespace

unsigned IdleRings::look(const MemoryFile& file, const std::array<std::uint32_t, 2>& big_ring) {
  unsigned gave = 0;
  for (unsigned receiver = 0; receiver < 2; ++receiver) {
    const std::uint64_t begin = SegmentLayout::big_ring(receiver, big_ring[0]);
    if (!has_memory(file, begin, begin + big_ring[receiver])) continue;
    const unsigned sender = 1 - receiver;
    std::uint64_t produced = 0;
    if (!file.read(&produced, sizeof produced,
                   SegmentLayout::control(sender) + offsetof(EndControl, tx_produced) +
                       kBig * sizeof produced)) {
      continue;
    }
    const bool was_idle = produced == produced_[receiver];
    produced_[receiver] = produced;
    if (was_idle && give_back(file, sender, begin, big_ring[receiver])) ++gave;
  }
  return gave;
}

}  // namespace leat::smc::internal
