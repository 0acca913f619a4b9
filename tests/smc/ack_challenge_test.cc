// The proof between network namespaces: who is the peer passes, who is not does not.

#include "leat/smc/ack_challenge.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <random>

#include <gtest/gtest.h>

namespace leat::smc {
namespace {

using Verdict = AckChallenger::Verdict;
using Random = std::mt19937_64;

bool chance(Random& random, double probability) {
  return std::uniform_real_distribution<>(0, 1)(random) < probability;
}

/// How a connection and the programs on it behave.
struct Conditions {
  double lost = 0;        ///< Of the acknowledgements without data.
  double duplicated = 0;  ///< Of the requests: the second copy is acknowledged at once.
  double large = 0;       ///< Of the requests: more than a segment, acknowledged at once.
  double slow = 0;        ///< Of the replies: after 60 ms, so the kernel acknowledges before.
  double pipelined = 0;   ///< Of the looks: a further request is under way.
};

/// One exchange after the other on one connection, as both ends' kernels count it.
class Connection {
 public:
  Connection(std::uint64_t seed, Conditions conditions) : random_(seed), conditions_(conditions) {}

  /// The peer's kernel acknowledges by itself, `acknowledged` times more by `ask`, which is called
  /// when the request has come. Gives what the sender of requests sees when the reply has come.
  SegmentCounts exchange(const std::function<bool(std::uint64_t received)>& ask) {
    counts_.written += 100;
    now_us_ += 50;
    unsigned sent = 0;
    const bool at_once = chance(random_, conditions_.large);
    if (at_once) ++sent;
    if (chance(random_, conditions_.duplicated)) ++sent;  // Where the first was retransmitted too.
    bool pending = !at_once;
    if (ask(counts_.written) && pending) {
      ++sent;
      pending = false;
    }
    if (chance(random_, conditions_.slow)) {
      now_us_ += 60'000;
      if (pending) ++sent;
    }
    for (; sent != 0; --sent) {
      if (!chance(random_, conditions_.lost)) ++counts_.pure_in;
    }
    counts_.received += 200;
    counts_.unacked = chance(random_, conditions_.pipelined) ? 1 : 0;
    now_us_ += 50;
    return counts_;
  }
  [[nodiscard]] std::uint64_t now_us() const { return now_us_; }

 private:
  Random random_;
  Conditions conditions_;
  SegmentCounts counts_;
  std::uint64_t now_us_ = 1'000'000;
};

/// A challenger and how often it looked.
struct Outcome {
  Verdict verdict = Verdict::kOpen;
  unsigned exchanges = 0;
  int highest = 0;
};

/// Plays until there is a verdict. `peer` acts on each request, knowing the challenge only if it is
/// the one that it was set.
using Peer = std::function<bool(const Challenge& challenge, std::uint64_t received)>;
Outcome play(std::uint64_t seed, const Conditions& conditions, const Peer& peer) {
  Connection connection(seed, conditions);
  AckChallenger challenger;
  Random coins(~seed);
  Outcome outcome;
  while (challenger.verdict() == Verdict::kOpen && outcome.exchanges < 5000) {
    ++outcome.exchanges;
    const SegmentCounts counts = connection.exchange(
        [&](std::uint64_t received) { return peer(challenger.challenge(), received); });
    challenger.look(counts, connection.now_us(), [&] { return static_cast<unsigned>(coins()); });
    outcome.highest = std::max(outcome.highest, challenger.score());
  }
  outcome.verdict = challenger.verdict();
  return outcome;
}

Outcome play_true_peer(std::uint64_t seed, const Conditions& conditions) {
  AckResponder responder;
  return play(seed, conditions, [&](const Challenge& challenge, std::uint64_t received) {
    const bool now = responder.must_acknowledge(challenge, received);
    if (now) responder.done(challenge);
    return now;
  });
}

TEST(AckChallenge, TheTruePeerPassesInEightyRounds) {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const Outcome outcome = play_true_peer(seed, {});
    EXPECT_EQ(outcome.verdict, Verdict::kProved) << "seed " << seed;
    EXPECT_EQ(outcome.exchanges, 81U) << "seed " << seed;
  }
}

TEST(AckChallenge, TheTruePeerPassesThroughLossDuplicatesAndLateReplies) {
  const Conditions rough{
      .lost = 0.03, .duplicated = 0.03, .large = 0.03, .slow = 0.1, .pipelined = 0.1};
  unsigned proved = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const Outcome outcome = play_true_peer(seed, rough);
    proved += outcome.verdict == Verdict::kProved ? 1 : 0;
    EXPECT_LT(outcome.exchanges, 1000U) << "seed " << seed;
  }
  EXPECT_GE(proved, 990U);
}

TEST(AckChallenge, WhereTheKernelAlwaysAcknowledgesAtOnceNothingIsProved) {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    EXPECT_EQ(play_true_peer(seed, {.large = 1}).verdict, Verdict::kFailed) << "seed " << seed;
  }
}

/// Strangers, who are at the other end of the TCP connection and were not told the coins. `own` is
/// what they toss; the true peer's acts of the rounds before are known to them.
struct Stranger {
  const char* name;
  std::function<bool(Random& own, bool previous, unsigned round)> acts;
};
const Stranger kStrangers[] = {
    {"never", [](Random&, bool, unsigned) { return false; }},
    {"always", [](Random&, bool, unsigned) { return true; }},
    {"at random", [](Random& own, bool, unsigned) { return chance(own, 0.5); }},
    {"in turn", [](Random&, bool, unsigned round) { return round % 2 == 0; }},
    {"as it was challenged before", [](Random&, bool previous, unsigned) { return previous; }},
    {"not as it was before", [](Random&, bool previous, unsigned) { return !previous; }},
};

// Two pairs of namespaces with equal traffic, and a proxy between, are of this kind: whatever the
// peer of the socket does, it does not know the coin.
TEST(AckChallenge, AStrangerNeverPassesAndIsLuckyAsSeldomAsTheBoundSays) {
  constexpr unsigned kSeeds = 5'000;
  for (const Stranger& stranger : kStrangers) {
    unsigned lucky = 0;  // Eight bits once: one in 256 at most.
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      Random own(seed * 7);
      bool before = false;
      unsigned round = 0;
      const Outcome outcome = play(seed, {.lost = 0.01}, [&](const Challenge& challenge, auto) {
        const bool acts = stranger.acts(own, before, round++);
        before = (challenge.word & 1U) != 0;
        return acts;
      });
      ASSERT_EQ(outcome.verdict, Verdict::kFailed) << stranger.name << ", seed " << seed;
      lucky += outcome.highest >= 80 ? 1 : 0;
    }
    EXPECT_LT(lucky, kSeeds / 256 + 20) << stranger.name;
  }
}

TEST(AckChallenge, ACoinThatIsHardlyLeakedChangesNothing) {
  constexpr unsigned kSeeds = 5'000;
  unsigned lucky = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Random own(seed * 7);
    const Outcome outcome = play(seed, {}, [&](const Challenge& challenge, auto) {
      const bool coin = (challenge.word & 1U) != 0;
      return chance(own, 0.53) ? coin : !coin;
    });
    ASSERT_EQ(outcome.verdict, Verdict::kFailed) << "seed " << seed;
    lucky += outcome.highest >= 80 ? 1 : 0;
  }
  EXPECT_LT(lucky, kSeeds / 256 + 20);
}

TEST(AckChallenge, ALongRoundSaysNothing) {
  AckChallenger challenger;
  const auto one = [] { return 1U; };
  SegmentCounts counts;
  EXPECT_TRUE(challenger.look(counts, 0, one));
  EXPECT_EQ(challenger.challenge().word, 3U);
  counts.written = counts.received = 10;
  EXPECT_TRUE(challenger.look(counts, AckChallenger::kLongestRoundUs + 1, one));
  EXPECT_EQ(challenger.score(), 0);
  EXPECT_EQ(challenger.challenge().word, 5U);
  EXPECT_EQ(challenger.challenge().from, 10U);
  counts.written = counts.received = 20;
  EXPECT_TRUE(challenger.look(counts, AckChallenger::kLongestRoundUs + 2, one));
  EXPECT_EQ(challenger.score(), AckChallenger::kMiss);
}

TEST(AckChallenge, ARoundEndsWhenAllIsAcknowledgedAndAnswered) {
  AckChallenger challenger;
  const auto zero = [] { return 0U; };
  SegmentCounts counts;
  counts.written = 5;
  EXPECT_TRUE(challenger.look(counts, 0, zero));
  counts.received = 10;  // The rest of an older reply.
  EXPECT_FALSE(challenger.look(counts, 1, zero));
  counts.written = 6;
  counts.unacked = 1;
  EXPECT_FALSE(challenger.look(counts, 2, zero));
  counts.unacked = 0;
  EXPECT_TRUE(challenger.look(counts, 3, zero));
  EXPECT_EQ(challenger.score(), AckChallenger::kHit);
}

TEST(AckChallenge, OneWayTrafficIsGivenUp) {
  AckChallenger challenger;
  SegmentCounts counts;
  for (unsigned i = 0; i <= AckChallenger::kMostLooks; ++i) {
    counts.received += 1000;
    challenger.look(counts, i, [] { return 0U; });
    EXPECT_EQ(challenger.verdict(), Verdict::kOpen);
  }
  counts.received += 1000;
  EXPECT_FALSE(challenger.look(counts, 0, [] { return 0U; }));
  EXPECT_EQ(challenger.verdict(), Verdict::kFailed);
}

TEST(AckChallenge, CountsMayWrap) {
  AckChallenger challenger;
  SegmentCounts counts;
  counts.pure_in = ~std::uint32_t{0};
  const auto one = [] { return 1U; };
  challenger.look(counts, 0, one);
  counts.written = counts.received = 1;
  counts.pure_in = 0;
  challenger.look(counts, 1, one);
  EXPECT_EQ(challenger.score(), AckChallenger::kHit);
}

TEST(AckChallenge, TheResponderWaitsForTheRequestAndTriesUntilItWent) {
  AckResponder responder;
  EXPECT_TRUE(responder.is_done({}));
  EXPECT_FALSE(responder.must_acknowledge({}, 100));
  const Challenge now{.word = (7U << 1U) | 1U, .from = 100};
  EXPECT_FALSE(responder.is_done(now));
  EXPECT_FALSE(responder.must_acknowledge(now, 100));
  EXPECT_TRUE(responder.must_acknowledge(now, 101));
  EXPECT_TRUE(responder.must_acknowledge(now, 102));  // Input was unread.
  responder.done(now);
  EXPECT_FALSE(responder.must_acknowledge(now, 103));
  EXPECT_TRUE(responder.is_done(now));
  const Challenge later{.word = 8U << 1U, .from = 103};
  EXPECT_FALSE(responder.must_acknowledge(later, 103));
  EXPECT_FALSE(responder.is_done(later));
  EXPECT_FALSE(responder.must_acknowledge(later, 104));
  EXPECT_TRUE(responder.is_done(later));
}

}  // namespace
}  // namespace leat::smc
