#include "leat/smc/link.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <climits>
#include <utility>

#include "leat/smc/internal/board_table.h"
#include "leat/smc/internal/raw_syscall.h"
#include "leat/smc/internal/sealed_file.h"

namespace leat::smc {

namespace {

using internal::raw_argument;
using internal::raw_syscall;

constexpr std::uint32_t kMostBigRing = 1U << 30U;

bool is_ring_size(std::uint32_t size) {
  return size >= SegmentLayout::kPage && size <= kMostBigRing && (size & (size - 1)) == 0;
}

}  // namespace

// A peer of the same user made nothing of this: the broker did. But it is checked as if it had
// come from outside, for a file that can shrink would end the process by SIGBUS.
FallbackReason Link::map(int fd) {
  const std::size_t size = internal::sealed_size(fd);
  if (size < SegmentLayout::kPage) return FallbackReason::kBroken;
  const long mapped = raw_syscall(SYS_mmap, 0, static_cast<long>(size), PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (mapped < 0 && mapped > -4096) return FallbackReason::kNoMemory;
  base_ = reinterpret_cast<char*>(mapped);
  size_ = size;
  return FallbackReason::kNone;
}

void Link::find_boards(const BrokerClient& broker, const Offer& offer, const Answer& answer,
                       std::uint64_t page_token) {
  using internal::BoardTable;
  BoardTable::release(std::exchange(boards_, nullptr));
  if (answer.boards == 0) return;
  boards_ = BoardTable::hold(answer.boards);
  if (boards_ != nullptr) return;
  const Answer page = broker.boards(offer.cookie, page_token);
  if (page.kind == Answer::Kind::kSegment && page.boards == answer.boards) {
    boards_ = BoardTable::add(page.boards, page.fd);
  } else if (page.fd >= 0) {
    raw_syscall(SYS_close, page.fd);
  }
}

FallbackReason Link::attach(int socket, const Offer& offer, const Answer& answer, bool connects) {
  unmap_segment();
  const FallbackReason mapped = answer.end < 2 ? map(answer.fd) : FallbackReason::kBroken;
  raw_syscall(SYS_close, answer.fd);
  if (mapped != FallbackReason::kNone) return mapped;
  const auto& header = *reinterpret_cast<const SegmentHeader*>(base_);
  const std::array<std::uint32_t, 2> big = {header.big_ring[0], header.big_ring[1]};
  if (header.magic != SegmentHeader::kMagic || header.header_size != sizeof(EndControl) ||
      !is_ring_size(big[0]) || !is_ring_size(big[1]) ||
      SegmentLayout::size(big[0], big[1]) != size_ || header.cookie[answer.end] != offer.cookie) {
    unmap_segment();
    return FallbackReason::kBroken;
  }
  end_ = answer.end;
  offer_ = offer;
  connects_ = connects;
  const unsigned other = 1 - end_;
  mine_ = reinterpret_cast<EndControl*>(base_ + SegmentLayout::control(end_));
  peer_ = reinterpret_cast<EndControl*>(base_ + SegmentLayout::control(other));
  own_rings_ = {{{base_ + SegmentLayout::small_ring(end_), kSmallRing},
                 {base_ + SegmentLayout::big_ring(end_, big[0]), big[end_]}}};
  peer_rings_ = {{{base_ + SegmentLayout::small_ring(other), kSmallRing},
                  {base_ + SegmentLayout::big_ring(other, big[0]), big[other]}}};
  across_ = header.across != 0;
  if (mine_->state.load(std::memory_order_acquire) == EndState::kConfirmed) {
    // The peer counts on its boards, whichever process sends for this end.
    const bool promised = (mine_->flags.load(std::memory_order_acquire) & kFlagBoards) != 0;
    if (!promised || boards_ != nullptr) return FallbackReason::kNone;
    unmap_segment();
    return FallbackReason::kNoMemory;
  }
  if (!is_still(socket, offer)) {
    unmap_segment();
    return FallbackReason::kNotEstablished;
  }
  if (boards_ != nullptr) mine_->flags.fetch_or(kFlagBoards, std::memory_order_acq_rel);
  EndState absent = EndState::kAbsent;
  const bool first =
      mine_->state.compare_exchange_strong(absent, EndState::kAttached, std::memory_order_acq_rel);
  if (challenged_for_ != header.token) {  // Else it was asked for once more.
    challenged_for_ = header.token;
    challenges_ = first;
    challenger_ = {};
    responder_ = {};
    looks_after_failure_ = 0;
  }
  return FallbackReason::kNone;
}

bool Link::is_ready() const {
  return mine_->state.load(std::memory_order_acquire) == EndState::kConfirmed &&
         peer_->state.load(std::memory_order_acquire) == EndState::kConfirmed;
}

void Link::allow_input(std::uint64_t consumed) {
  if ((mine_->flags.load(std::memory_order_acquire) & kFlagInputReady) != 0) return;
  receiver().start(consumed);
  // Threads may sleep in the kernel already, from before.
  mine_->wait.fetch_or(kWaitDoorbell, std::memory_order_seq_cst);
  mine_->flags.fetch_or(kFlagInputReady, std::memory_order_seq_cst);
}

BoardPage* Link::peers_boards() const {
  return (peer_->flags.load(std::memory_order_acquire) & kFlagBoards) != 0 ? boards_ : nullptr;
}

void Link::wake_peer(int socket, bool alone) {
  const std::uint32_t marks = sender().take_marks();
  // After a read-modify-write of `wait`, like the sleeper's after it has set its place.
  const std::uint32_t place = peer_->board.load(std::memory_order_acquire);
  if (place != 0 && boards_ != nullptr && tell_board(*boards_, place)) {
    if (!alone) mark_asleep(*boards_, place);
    return wake(socket, marks | kWaitDoorbell, place);
  }
  if (marks != 0) wake(socket, marks, 0);
}

void Link::wake_peer_surely(int socket) {
  (void)sender().take_marks();
  const std::uint32_t place = peer_->board.load(std::memory_order_acquire);
  if (place != 0 && boards_ != nullptr) (void)tell_board(*boards_, place);
  wake(socket, kWaitFutex | kWaitDoorbell, place);
}

void Link::wake(int socket, std::uint32_t marks, std::uint32_t board_place) {
  if ((marks & kWaitFutex) != 0) {
    ++mine_->tx_futex_wakes;
    raw_syscall(SYS_futex, raw_argument(&peer_->wait), FUTEX_WAKE, INT_MAX);
  }
  if ((marks & kWaitDoorbell) == 0) return;
  const char doorbell = 0;
  // If the socket takes no more, the peer has bytes of it to read, and is awake. On the lane TCP a
  // doorbell would be data: there it is data that wakes, or nothing is to be told.
  const bool rings = sender().lane() != Lane::kTcp;
  if (rings) ++mine_->tx_doorbells;
  const long sent = rings ? raw_syscall(SYS_sendto, socket, raw_argument(&doorbell), 1,
                                        MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0)
                          : 0;
  // Somebody else's message shall wake it then.
  if (sent != 1 && board_place != 0 && boards_ != nullptr) mark_asleep(*boards_, board_place);
}

std::uint64_t Link::token() const {
  return reinterpret_cast<const SegmentHeader*>(base_)->token;
}

void Link::release_big_ring() {
  const RemoteRing& ring = peer_rings_[1];
  raw_syscall(SYS_madvise, raw_argument(ring.data), ring.size, MADV_REMOVE);
}

void Link::unmap() {
  internal::BoardTable::release(std::exchange(boards_, nullptr));
  unmap_segment();
}

void Link::unmap_segment() {
  if (base_ == nullptr) return;
  raw_syscall(SYS_munmap, raw_argument(base_), static_cast<long>(size_));
  base_ = nullptr;
  mine_ = nullptr;
  peer_ = nullptr;
}

}  // namespace leat::smc
