// Public: the proof that a socket's TCP peer is who it says, by acknowledgements asked for.
#pragma once

#include <cstdint>

namespace leat::smc {

/// What the kernel counted on a TCP socket, all at one instant (tcp_get_info holds its lock).
struct SegmentCounts {
  std::uint64_t written = 0;   ///< Bytes sent at least once.
  std::uint64_t received = 0;  ///< Bytes that have come, read or not.
  std::uint32_t unacked = 0;   ///< Segments on their way.
  std::uint32_t pure_in = 0;   ///< Segments without data that have come (acknowledgements),
  std::uint32_t pure_out = 0;  ///< and that were sent. Both wrap.
};

/// What a challenger sets its peer, by shared memory: once more than `from` bytes of the
/// challenger's have come, acknowledge at once, or leave it to the kernel, as the coin says.
struct Challenge {
  std::uint64_t word = 0;  ///< Its number << 1 | the coin; 0: none yet.
  std::uint64_t from = 0;
};

/// Sets challenges and keeps the score. Pure: no clock, no randomness, no system call of its own.
///
///     challenger's process        its kernel       peer's kernel      peer's process
///     coin 1, from 500  ------------- shared memory -------------------> sees it
///     send(request)      --------- 500..540 ---------> recv() gives it
///                        <-------- ack 540, no data -- TCP_QUICKACK    <- the coin is 1
///     recv() gives reply <-------- reply, ack 540 ---- send(reply)
///     looks: one pure segment came since: a hit
///
/// To whom the coin was not told, it is a coin: the segments that come match it once in two times.
/// The score is the logarithm (base 2) of what a gambler has who bets on each match, so that he
/// loses on average if they are chance; that he ever has 2^64 times his stake has the chance
/// 2^-64, however long he plays (Ville's inequality).
class AckChallenger {
 public:
  enum class Verdict : std::uint8_t { kOpen, kProved, kFailed };

  // In tenths of a bit. 2^0.8 / 2 + 2^-3 / 2 = 0.93: less than 1, so that a coin that is not quite
  // unknown (52 to 48) changes nothing.
  static constexpr int kHit = 8;
  static constexpr int kMiss = -30;
  static constexpr int kProvedAt = 640;
  static constexpr int kFailedAt = -640;
  /// A round that took longer says nothing: the kernel acknowledges by itself after 40 ms.
  static constexpr std::uint64_t kLongestRoundUs = 20'000;
  /// Looks in one round after which it is given up: one-way traffic has no rounds.
  static constexpr std::uint32_t kMostLooks = 4096;

  /// After input has come, before the program sees it. True if there is a new challenge() to
  /// publish. `toss` is called for each: 0 or 1, which nobody else can know.
  template <typename Toss>
  bool look(const SegmentCounts& now, std::uint64_t now_us, Toss toss) {
    if (verdict_ != Verdict::kOpen) return false;
    if (challenge_.word != 0 && !ends_round(now, now_us)) return false;
    if (verdict_ != Verdict::kOpen) return false;
    const unsigned coin = toss() & 1U;
    challenge_ = {((challenge_.word >> 1U) + 1) << 1U | coin, now.written};
    began_ = now;
    began_us_ = now_us;
    return true;
  }

  [[nodiscard]] const Challenge& challenge() const { return challenge_; }
  [[nodiscard]] Verdict verdict() const { return verdict_; }
  [[nodiscard]] int score() const { return score_; }

 private:
  /// Whether the round is over: what was sent since is acknowledged, and something came back.
  /// Whatever it was, this must not depend on the coin but through the segments that came.
  bool ends_round(const SegmentCounts& now, std::uint64_t now_us) {
    if (++looks_ > kMostLooks) {
      verdict_ = Verdict::kFailed;
      return false;
    }
    if (now.unacked != 0 || now.written == began_.written || now.received == began_.received) {
      return false;
    }
    looks_ = 0;
    if (now_us - began_us_ > kLongestRoundUs) return true;
    score_ += now.pure_in - began_.pure_in == (challenge_.word & 1U) ? kHit : kMiss;
    if (score_ >= kProvedAt) verdict_ = Verdict::kProved;
    if (score_ <= kFailedAt) verdict_ = Verdict::kFailed;
    return true;
  }

  Challenge challenge_;
  SegmentCounts began_;
  std::uint64_t began_us_ = 0;
  std::uint32_t looks_ = 0;
  int score_ = 0;
  Verdict verdict_ = Verdict::kOpen;
};

/// Does what the peer's challenges ask.
class AckResponder {
 public:
  /// After input has come, before the program sees it: whether to acknowledge at once. Tried again
  /// at the next input until done() is told: the kernel sends none while input is unread.
  [[nodiscard]] bool must_acknowledge(const Challenge& challenge, std::uint64_t received) {
    if (is_done(challenge) || received <= challenge.from) return false;
    if ((challenge.word & 1U) != 0) return true;
    done(challenge);
    return false;
  }
  void done(const Challenge& challenge) { done_ = challenge.word >> 1U; }
  /// Whether there is nothing to do, without asking the kernel.
  [[nodiscard]] bool is_done(const Challenge& challenge) const {
    return challenge.word == 0 || challenge.word >> 1U == done_;
  }

 private:
  std::uint64_t done_ = 0;
};

}  // namespace leat::smc
