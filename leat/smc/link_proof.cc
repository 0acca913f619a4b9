// The proof that both ends are one connection: docs/decisions/shared-memory.md.

#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>

#include "leat/smc/internal/raw_syscall.h"
#include "leat/smc/link.h"

namespace leat::smc {

namespace {

using internal::raw_argument;
using internal::raw_syscall;

/// After its own challenges have failed an end waits for so many looks whether the peer's do.
constexpr std::uint32_t kPatience = 1024;

std::uint64_t now_us() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
}

}  // namespace

Link::Progress Link::prove(int socket) {
  const EndState theirs = peer_->state.load(std::memory_order_acquire);
  if (theirs == EndState::kAbsent) return Progress::kWaiting;
  if (mine_->state.load(std::memory_order_acquire) != EndState::kConfirmed) {
    if (across_) {
      if (const Progress seen = judge(theirs); seen != Progress::kReady) return seen;
    }
    if (!is_still(socket, offer_)) return Progress::kRefused;
    EndState attached = EndState::kAttached;
    mine_->state.compare_exchange_strong(attached, EndState::kConfirmed, std::memory_order_acq_rel);
  }
  return theirs == EndState::kConfirmed ? Progress::kReady : Progress::kWaiting;
}

/// kReady: this end may say that it is confirmed.
Link::Progress Link::judge(EndState theirs) {
  if (theirs == EndState::kConfirmed) return Progress::kReady;
  switch (challenger_.verdict()) {
    case AckChallenger::Verdict::kProved:
      return Progress::kReady;
    case AckChallenger::Verdict::kOpen:
      return Progress::kWaiting;
    case AckChallenger::Verdict::kFailed:
      break;
  }
  // What this end sends may be too large for a proof, and what the peer sends not.
  mine_->flags.fetch_or(kFlagNoProof, std::memory_order_acq_rel);
  const bool both = (peer_->flags.load(std::memory_order_acquire) & kFlagNoProof) != 0;
  return both || looks_after_failure_ > kPatience ? Progress::kNoProof : Progress::kWaiting;
}

void Link::challenge(int socket) {
  if (!across_ || peer_->state.load(std::memory_order_acquire) == EndState::kAbsent) return;
  const bool confirmed = mine_->state.load(std::memory_order_acquire) == EndState::kConfirmed;
  const bool open = challenges_ && !confirmed;
  if (open && challenger_.verdict() == AckChallenger::Verdict::kFailed) ++looks_after_failure_;
  const bool asks = open && challenger_.verdict() == AckChallenger::Verdict::kOpen;
  Challenge asked;
  asked.word = mine_->challenge.load(std::memory_order_relaxed);
  if (!asks && responder_.is_done(asked)) return;
  SegmentCounts counts;
  if (!segment_counts(socket, counts)) return;
  answer_challenge(socket, counts);
  if (asks) challenge_peer(counts);
}

void Link::answer_challenge(int socket, const SegmentCounts& counts) {
  Challenge asked;
  asked.word = mine_->challenge.load(std::memory_order_acquire);
  asked.from = mine_->challenge_from.load(std::memory_order_acquire);
  if (mine_->challenge.load(std::memory_order_relaxed) != asked.word) return;
  if (!responder_.must_acknowledge(asked, counts.received)) return;
  if (acknowledge_now(socket, counts)) responder_.done(asked);
}

void Link::challenge_peer(const SegmentCounts& counts) {
  // Somebody else who holds this end (after a fork) challenges too: the rounds are mixed up.
  const std::uint64_t told = challenger_.challenge().word;
  if (told != 0 && peer_->challenge.load(std::memory_order_relaxed) != told) {
    challenges_ = false;
    return;
  }
  if (coins_left_ == 0) {
    if (raw_syscall(SYS_getrandom, raw_argument(&coins_), sizeof coins_, GRND_NONBLOCK) !=
        sizeof coins_) {
      return;
    }
    coins_left_ = 64;
  }
  if (!challenger_.look(counts, now_us(), [this] { return toss(); })) return;
  // Zero in between, so that no reader takes the new word with the old place.
  peer_->challenge.store(0, std::memory_order_relaxed);
  peer_->challenge_from.store(challenger_.challenge().from, std::memory_order_release);
  peer_->challenge.store(challenger_.challenge().word, std::memory_order_release);
}

unsigned Link::toss() {
  --coins_left_;
  const auto coin = static_cast<unsigned>(coins_ & 1U);
  coins_ >>= 1U;
  return coin;
}

}  // namespace leat::smc
