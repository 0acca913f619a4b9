#include "apps/preload/descriptor_table.h"

#include <linux/tcp.h>
#include <netinet/in.h>

#include "leat/smc/socket_counts.h"

#include "apps/preload/connection.h"
#include "apps/preload/connection_pool.h"
#include "apps/preload/process.h"
#include "apps/preload/raw.h"

namespace leat::preload {

constinit std::atomic<std::uintptr_t> DescriptorTable::entries_[kSize] = {};
constinit std::atomic<int> DescriptorTable::end_{0};
constinit std::atomic<bool> DescriptorTable::is_doubtful_{false};

void DescriptorTable::note_used(int fd) {
  int end = end_.load(std::memory_order_relaxed);
  while (end <= fd && !end_.compare_exchange_weak(end, fd + 1, std::memory_order_relaxed)) {
  }
}

// Asked for one byte of TCP_INFO, which is the state, the kernel tells TCP from all else by one
// call. A socket that is not connected yet is asked again at the next call.
Connection* DescriptorTable::classify(int fd, std::uintptr_t entry) {
  constexpr std::uint8_t kSynSent = 2;
  constexpr std::uint8_t kClose = 7;
  constexpr std::uint8_t kListen = 10;
  if (!Process::is_on()) return nullptr;
  std::uint8_t state = 0;
  if (!raw::get_option(fd, IPPROTO_TCP, TCP_INFO, state) || state == kListen) {
    replace(fd, entry, kOther);
    return nullptr;
  }
  // Standard streams are written by the C library itself, and read by whoever is executed.
  if (state == kSynSent || state == kClose || fd <= 2) return nullptr;
  const std::uint64_t cookie = smc::socket_cookie(fd);
  Connection* const made =
      cookie != 0 ? ConnectionPool::take(cookie, entry == kConnecting) : nullptr;
  if (made == nullptr) {
    replace(fd, entry, kOther);
    return nullptr;
  }
  if (entry == kUnknown) made->find_inherited(fd, cookie);
  note_used(fd);
  if (replace(fd, entry, reinterpret_cast<std::uintptr_t>(made))) return made;
  made->drop_descriptor();
  return known(fd);
}

}  // namespace leat::preload
