#include "leat/net/internal/happy_eyeballs.h"

#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace leat::internal {
namespace {

using Family = InetAddress::Family;
using std::chrono::milliseconds;

constexpr Family k4 = Family::kIpv4;
constexpr Family k6 = Family::kIpv6;

/// "a4" is 10.0.0.1, "b4" 10.0.0.2, "a6" fd00::1 and so on.
InetAddress address(std::string_view name) {
  const char last = static_cast<char>('1' + (name[0] - 'a'));
  const std::string text = name[1] == '4' ? std::string("10.0.0.") + last + ":80"
                                          : std::string("[fd00::") + last + "]:80";
  return InetAddress::parse(text).value();
}

std::string name(const InetAddress& address) {
  const std::string host = address.host();
  return std::string(1, static_cast<char>('a' + (host.back() - '1'))) +
         (address.family() == k4 ? "4" : "6");
}

/// Writes down what the core wants: "start 0 a6", "cancel 0", "won 1", "failed".
class Race {
 public:
  explicit Race(const HappyEyeballsOptions& options = {}) : core_(options) {}

  /// The time of what follows, in milliseconds.
  Race& at(int ms) {
    now_ = MonotonicTime(milliseconds(ms));
    return *this;
  }
  std::string answer(Family family, const std::vector<std::string>& known) {
    std::vector<InetAddress> addresses;
    for (const std::string& one : known) addresses.push_back(address(one));
    return words(core_.answered(now_, family, addresses));
  }
  std::string fail(std::size_t attempt) { return words(core_.attempt_failed(now_, attempt)); }
  std::string connect(std::size_t attempt) { return words(core_.attempt_connected(attempt)); }
  std::string wake() { return words(core_.wake(now_)); }
  /// Milliseconds; -1 for none.
  [[nodiscard]] int wake_at() const {
    const auto at = core_.wake_at();
    return at ? static_cast<int>(at->time_since_epoch() / milliseconds(1)) : -1;
  }

 private:
  static std::string words(const HappyEyeballs::Actions& actions) {
    using Do = HappyEyeballs::Do;
    std::string text;
    for (const HappyEyeballs::Action& action : actions) {
      if (!text.empty()) text += ", ";
      const std::string number = std::to_string(action.attempt);
      if (action.what == Do::kStart) text += "start " + number + " " + name(action.address);
      if (action.what == Do::kCancel) text += "cancel " + number;
      if (action.what == Do::kWon) text += "won " + number;
      if (action.what == Do::kFailed) text += "failed";
    }
    return text;
  }
  HappyEyeballs core_;
  MonotonicTime now_;
};

TEST(HappyEyeballs, AaaaFirstStartsAtOnce) {
  Race race;
  EXPECT_EQ(race.at(0).answer(k6, {"a6"}), "start 0 a6");
  EXPECT_EQ(race.wake_at(), -1);
  EXPECT_EQ(race.at(30).answer(k4, {"a6", "a4"}), "");
  EXPECT_EQ(race.wake_at(), 250);
  EXPECT_EQ(race.at(249).wake(), "");
  EXPECT_EQ(race.at(250).wake(), "start 1 a4");
  EXPECT_EQ(race.wake_at(), -1);
  EXPECT_EQ(race.at(260).connect(1), "cancel 0, won 1");
  EXPECT_EQ(race.wake_at(), -1);
}

TEST(HappyEyeballs, AFirstWaitsForAaaaAndLetsItGoFirst) {
  Race race;
  EXPECT_EQ(race.at(100).answer(k4, {"a4"}), "");
  EXPECT_EQ(race.wake_at(), 150);
  EXPECT_EQ(race.at(149).wake(), "");
  EXPECT_EQ(race.at(149).answer(k6, {"a6", "a4"}), "start 0 a6");
  EXPECT_EQ(race.wake_at(), 399);
}

TEST(HappyEyeballs, AFirstWaitsNoLongerThanTheResolutionDelay) {
  Race race;
  EXPECT_EQ(race.at(100).answer(k4, {"a4", "b4"}), "");
  EXPECT_EQ(race.at(150).wake(), "start 0 a4");
  // AAAA comes late, and gets the next turn.
  EXPECT_EQ(race.at(200).answer(k6, {"a6", "a4", "b4"}), "");
  EXPECT_EQ(race.wake_at(), 400);
  EXPECT_EQ(race.at(400).wake(), "start 1 a6");
  EXPECT_EQ(race.at(650).wake(), "start 2 b4");
}

TEST(HappyEyeballs, AFirstStartsWhenThereIsNoAaaa) {
  Race race;
  EXPECT_EQ(race.at(100).answer(k4, {"a4"}), "");
  EXPECT_EQ(race.at(110).answer(k6, {"a4"}), "start 0 a4");
}

TEST(HappyEyeballs, NoAaaaFirstMakesAStartAtOnce) {
  Race race;
  EXPECT_EQ(race.at(0).answer(k6, {}), "");
  EXPECT_EQ(race.wake_at(), -1);
  EXPECT_EQ(race.at(5).answer(k4, {"a4"}), "start 0 a4");
}

TEST(HappyEyeballs, TheFamiliesTakeTurns) {
  Race race;
  EXPECT_EQ(race.at(0).answer(k4, {"a4", "b4"}), "");
  EXPECT_EQ(race.at(0).answer(k6, {"a6", "b6", "c6", "a4", "b4"}), "start 0 a6");
  EXPECT_EQ(race.at(250).wake(), "start 1 a4");
  EXPECT_EQ(race.at(500).wake(), "start 2 b6");
  EXPECT_EQ(race.at(750).wake(), "start 3 b4");
  EXPECT_EQ(race.at(1000).wake(), "start 4 c6");
  EXPECT_EQ(race.wake_at(), -1);
}

TEST(HappyEyeballs, TheOrderDecidesWhichFamilyIsFirst) {
  Race race;
  EXPECT_EQ(race.at(0).answer(k4, {"a4", "b4"}), "");
  EXPECT_EQ(race.at(0).answer(k6, {"a4", "b4", "a6"}), "start 0 a4");
  EXPECT_EQ(race.at(250).wake(), "start 1 a6");
  EXPECT_EQ(race.at(500).wake(), "start 2 b4");
}

TEST(HappyEyeballs, TheFirstFamilyMayGetMoreThanOneTurn) {
  Race race({.first_family_count = 2});
  EXPECT_EQ(race.at(0).answer(k4, {"a4", "b4"}), "");
  EXPECT_EQ(race.at(0).answer(k6, {"a6", "b6", "c6", "a4", "b4"}), "start 0 a6");
  EXPECT_EQ(race.at(250).wake(), "start 1 b6");
  EXPECT_EQ(race.at(500).wake(), "start 2 a4");
  EXPECT_EQ(race.at(750).wake(), "start 3 c6");
  EXPECT_EQ(race.at(1000).wake(), "start 4 b4");
}

TEST(HappyEyeballs, AFailureStartsTheNextAtOnce) {
  Race race;
  EXPECT_EQ(race.at(0).answer(k4, {"a4"}), "");
  EXPECT_EQ(race.at(0).answer(k6, {"a6", "b6", "a4"}), "start 0 a6");
  EXPECT_EQ(race.at(7).fail(0), "start 1 a4");
  EXPECT_EQ(race.wake_at(), 257);
  EXPECT_EQ(race.at(9).fail(1), "start 2 b6");
  EXPECT_EQ(race.at(11).connect(2), "won 2");
}

TEST(HappyEyeballs, AFailureOfAnEarlierAttemptStartsTheNextAtOnceToo) {
  Race race;
  EXPECT_EQ(race.at(0).answer(k4, {"a4"}), "");
  EXPECT_EQ(race.at(0).answer(k6, {"a6", "b6", "a4"}), "start 0 a6");
  EXPECT_EQ(race.at(250).wake(), "start 1 a4");
  EXPECT_EQ(race.at(260).fail(0), "start 2 b6");
  EXPECT_EQ(race.at(270).connect(1), "cancel 2, won 1");
}

TEST(HappyEyeballs, FailsWhenAllHaveFailedAndNothingIsToCome) {
  Race race;
  EXPECT_EQ(race.at(0).answer(k6, {"a6"}), "start 0 a6");
  EXPECT_EQ(race.at(5).fail(0), "");
  EXPECT_EQ(race.wake_at(), -1);
  EXPECT_EQ(race.at(90).answer(k4, {"a6", "a4"}), "start 1 a4");
  EXPECT_EQ(race.at(95).fail(1), "failed");
  EXPECT_EQ(race.at(99).wake(), "");
}

TEST(HappyEyeballs, FailsWithoutAddresses) {
  Race race;
  EXPECT_EQ(race.at(0).answer(k4, {}), "");
  EXPECT_EQ(race.at(1).answer(k6, {}), "failed");
}

TEST(HappyEyeballs, FailsOnlyWhenTheLastAttemptHas) {
  Race race;
  EXPECT_EQ(race.at(0).answer(k6, {"a6"}), "start 0 a6");
  EXPECT_EQ(race.at(0).answer(k4, {"a6", "a4"}), "");
  EXPECT_EQ(race.at(250).wake(), "start 1 a4");
  EXPECT_EQ(race.at(251).fail(1), "");
  EXPECT_EQ(race.wake_at(), -1);
  EXPECT_EQ(race.at(900).fail(0), "failed");
}

TEST(HappyEyeballs, AnAddressIsTriedOnce) {
  Race race;
  EXPECT_EQ(race.at(0).answer(k6, {}), "");
  EXPECT_EQ(race.at(0).answer(k4, {"a4", "a4", "b4"}), "start 0 a4");
  EXPECT_EQ(race.at(1).fail(0), "start 1 b4");
  EXPECT_EQ(race.at(2).fail(1), "failed");
}

TEST(HappyEyeballs, NothingComesAfterTheEnd) {
  Race race;
  EXPECT_EQ(race.at(0).answer(k6, {"a6", "b6"}), "start 0 a6");
  EXPECT_EQ(race.at(3).connect(0), "won 0");
  EXPECT_EQ(race.at(4).connect(0), "");
  EXPECT_EQ(race.at(4).fail(0), "");
  EXPECT_EQ(race.at(5).answer(k4, {"a6", "b6", "a4"}), "");
  EXPECT_EQ(race.at(900).wake(), "");
}

TEST(HappyEyeballs, WhatIsSaidOfAnAttemptThatIsOverChangesNothing) {
  Race race;
  EXPECT_EQ(race.at(0).answer(k6, {"a6", "b6", "c6"}), "start 0 a6");
  EXPECT_EQ(race.at(3).fail(0), "start 1 b6");
  EXPECT_EQ(race.at(4).fail(0), "");
  EXPECT_EQ(race.at(4).connect(0), "");
  EXPECT_EQ(race.at(4).fail(7), "");
  EXPECT_EQ(race.wake_at(), 253);
}

TEST(HappyEyeballs, TheDelayStaysWithinTheBoundsOfTheRfc) {
  Race hasty({.attempt_delay = milliseconds(1)});
  EXPECT_EQ(hasty.at(0).answer(k6, {"a6", "b6"}), "start 0 a6");
  EXPECT_EQ(hasty.wake_at(), 10);
  Race slow({.attempt_delay = milliseconds(60'000)});
  EXPECT_EQ(slow.at(0).answer(k6, {"a6", "b6"}), "start 0 a6");
  EXPECT_EQ(slow.wake_at(), 2000);
}

}  // namespace
}  // namespace leat::internal
