// A set's members on boards: EpollSet's part of it.

#include "apps/preload/connection.h"
#include "apps/preload/epoll_sets.h"

namespace leat::preload {

// Every doorbell on such a member must wake the set: whoever rings has taken the mark for all.
bool EpollSet::suits_board(const Member& member) {
  constexpr std::uint32_t kUnsuited = EPOLLONESHOT | EPOLLEXCLUSIVE;
  return member.counted && member.inner < 0 && !stays_armed(member) && member.fd >= 0 &&
         wants_input(member.registration) && (member.registration.events & kUnsuited) == 0;
}

void EpollSet::board(std::uint32_t index) {
  Member& member = members_[index];
  if (member.place != 0 || !suits_board(member)) return;
  smc::Link& link = member.connection->link();
  smc::BoardPage* const page = link.peers_boards();
  std::atomic<std::uint32_t>& place = link.mine().board;
  if (page == nullptr || place.load(std::memory_order_relaxed) != 0) return;
  if ((link.mine().flags.load(std::memory_order_relaxed) &
       (smc::kFlagManyFamilies | smc::kFlagFoldWanted)) != 0) {
    return;
  }
  const SetBoards::Taken taken =
      boards_.take(page, index, sleepers.load(std::memory_order_relaxed));
  if (taken.place == 0) return;
  if (member.scan_place == kNoMember) ++looked_at_;
  member.place = taken.place;
  place.store(taken.code, std::memory_order_seq_cst);
  // A sender that has not seen the place yet has left its bytes where the next look finds them: its
  // read-modify-write of this word comes before this one (LoopbackDevice::take_marks).
  (void)link.mine().wait.fetch_or(0, std::memory_order_seq_cst);
}

void EpollSet::leave_board(Member& member) {
  if (member.place == 0) return;
  if (member.connection->is_shared()) {
    member.connection->mine().board.store(0, std::memory_order_seq_cst);
  }
  boards_.give(member.place);
  member.place = 0;
  if (member.scan_place == kNoMember) --looked_at_;
  if (sleepers.load(std::memory_order_relaxed) != 0) alarm();
}

// A sender may have taken the mark for all, to ring on a member that has just left and wakes
// nobody: until the sleepers are through, each rings for itself.
void EpollSet::alarm() {
  alarmed_ = true;
  for (std::uint32_t i = 0; i < members_.end(); ++i) {
    if (members_[i].used && members_[i].place != 0) arm(members_[i]);
  }
  kick_one_due();
}

void EpollSet::take_news() {
  const bool has_sleepers = sleepers.load(std::memory_order_relaxed) != 0;
  boards_.drain(has_sleepers, [this](std::uint32_t index) { scan(index); });
}

// What this thread has no room for, or has come meanwhile, is for those that sleep: they hear no
// doorbell of it, as its bit is taken.
void EpollSet::kick_one_due() {
  take_news();
  for (std::uint32_t i = 0; i < members_.scanned(); ++i) {
    Member& member = members_[members_.scanned_at(i)];
    if (member.place == 0 || member.pass == pass_ || !is_due(member)) continue;
    kick_if_due(member);
    return;
  }
}

// One that is on a board is brought back by its bit.
void EpollSet::drop_idle() {
  for (std::uint32_t i = members_.scanned(); i-- > 0;) {
    const std::uint32_t index = members_.scanned_at(i);
    const Member& member = members_[index];
    if (member.place != 0 && member.idle != 0) stop_scanning(index);
  }
}

}  // namespace leat::preload
