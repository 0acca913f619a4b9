// A Resolver's questions may be cancelled, and it may be destroyed, at any moment.

#include <dirent.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/resolver.h"
#include "leat/reactor/event_loop.h"

#include "support/resolver_fixture.h"

namespace leat {
namespace {

using testing::run_until;
using testing::words;
using Addresses = Result<std::vector<InetAddress>>;

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

class ResolverLifetimeTest : public testing::ResolverTest {
 protected:
  void SetUp() override {
    dns->on("silent.example", "A", {.silent = true});
    dns->on("silent.example", "AAAA", {.silent = true});
    dns->on("half.example", "AAAA", {.records = {"AAAA ::1"}});
    dns->on("half.example", "A", {.silent = true});
    dns->on("host.example", "AAAA", {.records = {"AAAA ::1"}});
    dns->on("host.example", "A", {.records = {"A 192.0.2.1"}});
    make();
  }
  /// Asks, and waits until the server has been asked.
  ResolveId ask(const std::string& host) {
    const std::size_t before = dns->asked().size();
    const ResolveId id =
        resolver->resolve(host, 80, [this](const Addresses&) { ++called; }).value();
    EXPECT_TRUE(run_until(*loop, [&] { return dns->asked().size() == before + 2; }));
    return id;
  }

  int called = 0;
};

TEST_F(ResolverLifetimeTest, ACancelledQuestionIsNotAnswered) {
  const auto note = [this](const Addresses&) { ++called; };
  for (const char* host : {"127.0.0.1", "localhost", "host.example", "silent.example"}) {
    const ResolveId id = resolver->resolve(host, 80, note).value();
    EXPECT_TRUE(resolver->cancel(id)) << host;
    EXPECT_FALSE(resolver->cancel(id)) << host;
  }
  settle();
  EXPECT_EQ(called, 0);
  EXPECT_EQ(resolver->open_questions(), 0u);
}

TEST_F(ResolverLifetimeTest, TheLastCancelledQuestionLeavesNothingOnTheLoop) {
  // Has made what a resolver keeps.
  EXPECT_EQ(resolve("host.example"), "[::1]:80 192.0.2.1:80");
  settle();
  const std::size_t descriptors = open_descriptors();
  const std::size_t timers = loop->timer_count();
  const ResolveId first = ask("silent.example");
  const ResolveId second = ask("half.example");
  EXPECT_GT(open_descriptors(), descriptors);
  EXPECT_TRUE(resolver->cancel(first));
  EXPECT_GT(loop->timer_count(), timers);
  EXPECT_TRUE(resolver->cancel(second));
  EXPECT_EQ(loop->timer_count(), timers);
  EXPECT_EQ(open_descriptors(), descriptors);
  // And the name can be asked for again.
  EXPECT_EQ(resolve("host.example"), "[::1]:80 192.0.2.1:80");
}

TEST_F(ResolverLifetimeTest, CancellingOneOfTwoLeavesTheOther) {
  dns->on("slow.example", "A", {.records = {"A 192.0.2.1"}, .held = true});
  const ResolveId first = ask("slow.example");
  std::string answer;
  ASSERT_TRUE(resolver->resolve("slow.example", 80,
                                [&](const Addresses& addresses) { answer = words(addresses); }));
  EXPECT_TRUE(resolver->cancel(first));
  dns->release();
  ASSERT_TRUE(run_until(*loop, [&] { return !answer.empty(); }));
  EXPECT_EQ(answer, "192.0.2.1:80");
  EXPECT_EQ(called, 0);
}

TEST_F(ResolverLifetimeTest, ACallbackMayCancelItsOwnQuestion) {
  std::optional<ResolveId> id;
  std::string seen;
  const auto kept = std::make_shared<std::string>("still here");
  id = resolver
           ->resolve_each("localhost", 80,
                          [&, kept](const FamilyAnswer&) {
                            EXPECT_TRUE(resolver->cancel(*id));
                            seen += *kept;
                          })
           .value();
  ASSERT_TRUE(run_until(*loop, [&] { return !seen.empty(); }));
  settle();
  EXPECT_EQ(seen, "still here");
}

TEST_F(ResolverLifetimeTest, ACallbackMayDestroyTheResolver) {
  for (const char* host : {"127.0.0.1", "host.example", "nonesuch.example", "half.example"}) {
    make();
    bool done = false;
    const auto kept = std::make_shared<bool>(true);
    ASSERT_TRUE(resolver->resolve_each(host, 80, [&, kept](const FamilyAnswer&) {
      resolver.reset();
      done = *kept;
    }));
    // Dropped with the resolver.
    ASSERT_TRUE(resolver->resolve("silent.example", 80, [&](const Addresses&) { ++called; }));
    ASSERT_TRUE(run_until(*loop, [&] { return done; })) << host;
    settle();
  }
  EXPECT_EQ(called, 0);
  EXPECT_EQ(loop->timer_count(), 0u);
}

TEST_F(ResolverLifetimeTest, ACallbackMayAskAgain) {
  std::string answer;
  ASSERT_TRUE(resolver->resolve("nonesuch.example", 80, [&](const Addresses&) {
    ASSERT_TRUE(resolver->resolve("nonesuch.example", 80,
                                  [&](const Addresses& addresses) { answer = words(addresses); }));
  }));
  ASSERT_TRUE(run_until(*loop, [&] { return !answer.empty(); }));
  EXPECT_EQ(dns->times_asked("A nonesuch.example"), 2u);
}

TEST_F(ResolverLifetimeTest, DestructionDropsOpenQuestions) {
  const auto kept = std::make_shared<int>(1);
  // While the files are read, and when they have been.
  for (const bool wait : {false, true}) {
    make();
    if (wait) ask("silent.example");
    ASSERT_TRUE(resolver->resolve("silent.example", 80, [&, kept](const Addresses&) { ++called; }));
    EXPECT_EQ(kept.use_count(), 2);
    resolver.reset();
    EXPECT_EQ(kept.use_count(), 1);
    settle();
  }
  EXPECT_EQ(called, 0);
  EXPECT_EQ(loop->timer_count(), 0u);
}

TEST_F(ResolverLifetimeTest, TheLoopMayEndWithOpenQuestions) {
  const auto kept = std::make_shared<int>(1);
  const std::size_t before = open_descriptors();
  ask("silent.example");
  ASSERT_TRUE(resolver->resolve("half.example", 80, [&, kept](const Addresses&) { ++called; }));
  EXPECT_GT(open_descriptors(), before);
  dns.reset();
  loop.reset();
  EXPECT_EQ(kept.use_count(), 1);
  EXPECT_EQ(called, 0);
  EXPECT_FALSE(resolver->cancel(ResolveId{1}));
  EXPECT_EQ(resolver->resolve("localhost", 80, [](const Addresses&) {}).error().number(),
            ESHUTDOWN);
  resolver.reset();
}

TEST_F(ResolverLifetimeTest, TheLoopMayEndWhileFilesAreRead) {
  make();
  ASSERT_TRUE(resolver->resolve("silent.example", 80, [&](const Addresses&) { ++called; }));
  dns.reset();
  loop.reset();
  EXPECT_EQ(called, 0);
}

TEST_F(ResolverLifetimeTest, ASharedOneThatOutlivesItsLoopIsNotGivenToAnother) {
  const std::shared_ptr<Resolver> first = Resolver::shared(*loop);
  dns.reset();
  resolver.reset();
  loop.reset();
  for (int i = 0; i < 20; ++i) {
    // One of these may stand where the first did.
    const auto another = EventLoop::create().value();
    EXPECT_NE(Resolver::shared(*another), first);
  }
}

TEST_F(ResolverLifetimeTest, AnExceptionOutOfACallbackTakesNothingFromTheOthers) {
  std::vector<std::string> told;
  ASSERT_TRUE(resolver->resolve_each("host.example", 1, [&](const FamilyAnswer& answer) {
    told.push_back(words(answer.addresses));
    if (told.size() == 1) throw std::runtime_error("from a callback");
  }));
  ASSERT_TRUE(resolver->resolve(
      "host.example", 2, [&](const Addresses& addresses) { told.push_back(words(addresses)); }));
  EXPECT_THROW(run_until(*loop, [&] { return told.size() == 3; }), std::runtime_error);
  EXPECT_TRUE(run_until(*loop, [&] { return told.size() == 3; }));
}

}  // namespace
}  // namespace leat
