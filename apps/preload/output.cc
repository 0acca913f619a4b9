#include "apps/preload/output.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "apps/preload/process.h"
#include "apps/preload/raw.h"

namespace leat::preload {
namespace {

constexpr std::uint32_t kSpins = 2000;
constexpr std::uint32_t kAskPeerEvery = 16;
constexpr long kSliceNanoseconds = 1'000'000;
constexpr int kSlices = 4;
constexpr std::int64_t kIdleMs = 1000;

std::int64_t now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace

Output::Settled Output::settle() {
  if (sender_.fold_wanted() && in_ring()) {
    const std::uint64_t written = connection_.link().tcp_written(fd_);
    if (written != smc::kNoCount) {
      if (!sender_.start_resend(written)) sender_.to_tcp(written);
      Process::page()->counters.folded_output.fetch_add(1, std::memory_order_relaxed);
      wake();
    }
  }
  for (std::span<const char> chunk; !(chunk = sender_.resend_chunk()).empty();) {
    const long sent = raw::send(fd_, chunk.data(), chunk.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent == -EAGAIN) return Settled::kWouldBlock;
    if (sent <= 0) break;  // The connection is lost: the kernel will say so.
    sender_.resent(static_cast<std::size_t>(sent));
  }
  return Settled::kYes;
}

bool Output::enter_ring() {
  if (!sender_.may_return() || !connection_.link().is_ready()) return false;
  if (connection_.slot()->native_writers.load(std::memory_order_seq_cst) != 0) return false;
  const std::uint64_t written = connection_.link().tcp_written(fd_);
  if (written == smc::kNoCount) return false;
  sender_.to_ring(written);
  if (!in_ring()) wake();  // The peer has just asked to fold.
  return in_ring();
}

bool Output::leave_ring() {
  if (!sender_.may_leave()) return false;
  const std::uint64_t written = connection_.link().tcp_written(fd_);
  if (written == smc::kNoCount) return false;
  sender_.to_tcp(written);
  ++connection_.mine().tx_ring_full;
  return true;
}

bool Output::wait_for_room(std::size_t wanted) {
  smc::EndControl& mine = connection_.mine();
  for (int slice = 0; slice < kSlices; ++slice) {
    const std::uint64_t before = sender_.unread();
    for (std::uint32_t i = 0; i < kSpins; ++i) {
      if (sender_.unread() < before && !sender_.room(wanted).empty()) return true;
      pause_briefly();
    }
    mine.space_wait.store(1, std::memory_order_seq_cst);
    if (sender_.unread() == before) {
      const timespec limit{0, kSliceNanoseconds};
      raw::raw_syscall(SYS_futex, raw::raw_argument(&mine.space_wait), FUTEX_WAIT, 1,
                       raw::raw_argument(&limit));
    }
    mine.space_wait.store(0, std::memory_order_relaxed);
    if (!sender_.room(wanted).empty()) return true;
    if (sender_.unread() == before) return false;  // It does not read.
  }
  return false;
}

void Output::note_big_ring() {
  connection_.big_ring_used_ms.store(now_ms(), std::memory_order_relaxed);
}

void Output::give_back_idle_ring() {
  const std::int64_t used = connection_.big_ring_used_ms.load(std::memory_order_relaxed);
  if (now_ms() - used < kIdleMs || !sender_.big_ring_is_idle()) return;
  connection_.link().release_big_ring();
  connection_.big_ring_used_ms.store(0, std::memory_order_relaxed);
}

void Output::look_after_peer() {
  if (sender_.unread() == 0) return;
  if (connection_.sends_unread.fetch_add(1, std::memory_order_relaxed) % kAskPeerEvery != 0) return;
  const short events = raw::poll_one(fd_, POLLRDHUP, 0);
  if (events == 0) return;
  const std::uint32_t theirs = connection_.peer().flags.load(std::memory_order_acquire);
  if ((events & (POLLHUP | POLLERR)) == 0 && (theirs & smc::kFlagWriteShut) != 0) return;
  // Its own shutdown(SHUT_RD) shows as POLLRDHUP too; then TCP does no harm either.
  connection_.mine().flags.fetch_or(smc::kFlagFoldOutput, std::memory_order_acq_rel);
  (void)leave_ring();
}

}  // namespace leat::preload
