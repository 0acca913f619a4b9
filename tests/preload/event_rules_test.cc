// What a registration of an epoll set tells the program: level, edge, once; the kernel's word, the
// rings' and doorbells.

#include "apps/preload/event_rules.h"

#include <gtest/gtest.h>

namespace leat::preload {
namespace {

constexpr std::uint32_t kIn = EPOLLIN;
constexpr std::uint32_t kOut = EPOLLOUT;

Registration with(std::uint32_t events) {
  Registration registration;
  registration.events = events;
  return registration;
}

TEST(EventRules, LevelTellsAsLongAsItIsTrue) {
  Registration it = with(EPOLLIN);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(judge(it, {0, kIn, 100}).events, kIn);
  EXPECT_EQ(judge(it, {kIn, kIn, 100}).events, kIn);
  EXPECT_EQ(judge(it, {0, 0, 100}).events, 0U);
}

TEST(EventRules, DoorbellIsNotShown) {
  Registration it = with(EPOLLIN | EPOLLOUT);
  EXPECT_EQ(judge(it, {kIn, 0, 0}).events, 0U);
  EXPECT_EQ(judge(it, {kIn | kOut, kOut, 0}).events, kOut);
}

TEST(EventRules, TellsOnlyWhatWasAskedFor) {
  Registration it = with(EPOLLOUT);
  EXPECT_EQ(judge(it, {kIn | kOut, kIn | kOut, 5}).events, kOut);
  it = with(EPOLLRDNORM);
  EXPECT_EQ(judge(it, {0, kIn, 5}).events, std::uint32_t{EPOLLRDNORM});
  it = with(0);
  EXPECT_EQ(judge(it, {kIn, kIn, 5}).events, 0U);
}

TEST(EventRules, ErrorAndHangUpNeedNotBeAskedFor) {
  Registration it = with(EPOLLIN);
  const std::uint32_t both = EPOLLERR | EPOLLHUP;
  EXPECT_EQ(judge(it, {kIn | both, kIn | both, 5}).events, kIn | both);
  EXPECT_EQ(judge(it, {EPOLLRDHUP, EPOLLRDHUP, 5}).events, 0U);
}

TEST(EventRules, EdgeTellsOncePerArrival) {
  Registration it = with(EPOLLIN | EPOLLET);
  EXPECT_EQ(judge(it, {0, kIn, 100}).events, kIn);
  EXPECT_FALSE(may_be_due(it, 100));
  EXPECT_EQ(judge(it, {0, kIn, 100}).events, 0U) << "not read, but told";
  EXPECT_TRUE(may_be_due(it, 101));
  EXPECT_EQ(judge(it, {0, kIn, 101}).events, kIn);
}

TEST(EventRules, EdgeOfTheKernelStandsIfItIsTrue) {
  Registration it = with(EPOLLIN | EPOLLET | EPOLLRDHUP);
  EXPECT_EQ(judge(it, {0, kIn, 100}).events, kIn);
  const std::uint32_t fin = EPOLLIN | EPOLLRDHUP;
  EXPECT_EQ(judge(it, {fin, fin, 100}).events, fin) << "arrivals do not grow at a FIN";
  EXPECT_EQ(judge(it, {kIn, 0, 100}).events, 0U);
}

TEST(EventRules, EdgeIsDueAtFirstThoughNothingArrived) {
  Registration it = with(EPOLLIN | EPOLLET);
  it.told = 100;  // As after MOD, which forgets nothing else.
  EXPECT_TRUE(may_be_due(it, 100));
  EXPECT_EQ(judge(it, {0, kIn, 100}).events, kIn);
}

TEST(EventRules, OnceByRingMustBeDisabledInTheKernel) {
  Registration it = with(EPOLLIN | EPOLLONESHOT);
  const Verdict verdict = judge(it, {0, kIn, 1});
  EXPECT_EQ(verdict.events, kIn);
  EXPECT_EQ(verdict.duty, KernelDuty::kDisable);
  EXPECT_TRUE(it.spent);
  EXPECT_FALSE(wants_input(it));
  EXPECT_EQ(judge(it, {kIn, kIn, 2}).events, 0U) << "harvested before it was disabled";
}

TEST(EventRules, OnceByTheKernelIsDisabledThere) {
  Registration it = with(EPOLLIN | EPOLLONESHOT);
  const Verdict verdict = judge(it, {kIn, kIn, 1});
  EXPECT_EQ(verdict.events, kIn);
  EXPECT_EQ(verdict.duty, KernelDuty::kNothing);
}

TEST(EventRules, OnceSpentOnADoorbellIsGivenBack) {
  Registration it = with(EPOLLIN | EPOLLONESHOT);
  const Verdict verdict = judge(it, {kIn, 0, 1});
  EXPECT_EQ(verdict.events, 0U);
  EXPECT_EQ(verdict.duty, KernelDuty::kRestore);
  EXPECT_FALSE(it.spent);
  EXPECT_EQ(judge(it, {0, 0, 1}).duty, KernelDuty::kNothing);
}

TEST(EventRules, KickIsTakenBackAndNotShown) {
  Registration it = with(EPOLLIN);
  it.kicked = true;
  EXPECT_EQ(judge(it, {0, kIn, 1}).duty, KernelDuty::kNothing) << "the kernel has not told it yet";
  Verdict verdict = judge(it, {kOut, kOut | kIn, 1});
  EXPECT_EQ(verdict.events, kIn);
  EXPECT_EQ(verdict.duty, KernelDuty::kRestore);
  it.kicked = true;
  verdict = judge(it, {kOut, kOut, 1});
  EXPECT_EQ(verdict.events, 0U) << "another thread has read it";
  EXPECT_EQ(verdict.duty, KernelDuty::kRestore);
}

TEST(EventRules, KickOfOnceEndsDisabledIfItTells) {
  Registration it = with(EPOLLIN | EPOLLONESHOT);
  it.kicked = true;
  const Verdict verdict = judge(it, {kOut, kOut | kIn, 1});
  EXPECT_EQ(verdict.events, kIn);
  EXPECT_EQ(verdict.duty, KernelDuty::kNothing);
}

}  // namespace
}  // namespace leat::preload
