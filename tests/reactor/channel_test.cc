#include "leat/reactor/channel.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leat/base/logging.h"

#include "tests/reactor/loop_test.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using test::Ends;
using testing::ElementsAre;
using testing::HasSubstr;

class ChannelTest : public test::LoopTest {
 protected:
  std::vector<std::string> told;

  void tell_all(Channel& channel) {
    channel.on_read([this](Timestamp) { told.emplace_back("read"); });
    channel.on_write([this] { told.emplace_back("write"); });
    channel.on_close([this] { told.emplace_back("close"); });
    channel.on_error([this] { told.emplace_back("error"); });
  }
};

TEST_F(ChannelTest, ReadsUntilAllIsTaken) {
  Ends ends = Ends::socket_pair();
  Channel channel(loop, ends.a.get());
  tell_all(channel);
  ASSERT_TRUE(channel.enable_reading());
  EXPECT_TRUE(channel.is_reading());
  EXPECT_FALSE(channel.is_writing());
  EXPECT_TRUE(channel.is_watched());
  test::write_to(ends.b, "x");
  iterate();
  iterate();
  EXPECT_THAT(told, ElementsAre("read", "read")) << "level-triggered: told until it is taken";
  test::drain(ends.a);
  iterate();
  EXPECT_EQ(told.size(), 2u);
}

TEST_F(ChannelTest, Step3ErrorThenCloseThenReadThenWrite) {
  Ends ends = Ends::socket_pair();
  Channel channel(loop, ends.a.get());
  tell_all(channel);
  ASSERT_TRUE(channel.enable_writing());
  iterate();
  EXPECT_THAT(told, ElementsAre("write"));
  told.clear();
  test::write_to(ends.a, "unread by the peer, so that the peer's close is a reset");
  test::write_to(ends.b, "x");
  ends.b.reset();
  ASSERT_TRUE(channel.enable_reading());
  iterate();
  EXPECT_THAT(told, ElementsAre("error", "read", "write")) << "not close while there is data";
  told.clear();
  ASSERT_TRUE(channel.disable_reading());
  iterate();
  EXPECT_THAT(told, ElementsAre("error", "close", "write"));
}

TEST_F(ChannelTest, DisablingTheLastEventStopsWatching) {
  Ends ends = Ends::socket_pair();
  Channel channel(loop, ends.a.get());
  tell_all(channel);
  ASSERT_TRUE(channel.enable_reading());
  ASSERT_TRUE(channel.enable_reading());
  ASSERT_TRUE(channel.enable_writing());
  ASSERT_TRUE(channel.disable_writing());
  ASSERT_TRUE(channel.disable_reading());
  EXPECT_FALSE(channel.is_watched());
  ends.b.reset();
  iterate();
  EXPECT_TRUE(told.empty()) << "not even hang-up";
  channel.remove();
  ASSERT_TRUE(channel.enable_reading());
  iterate();
  EXPECT_THAT(told, ElementsAre("read"));
}

TEST_F(ChannelTest, Step3AChannelRemovedByAnotherOnTheWayIsNotCalled) {
  std::vector<Ends> pipes;
  std::vector<std::unique_ptr<Channel>> channels;
  int calls = 0;
  for (int i = 0; i < 3; ++i) {
    pipes.push_back(Ends::pipe());
    test::write_to(pipes.back().b, "x");
    channels.push_back(std::make_unique<Channel>(loop, pipes.back().a.get()));
    channels.back()->on_read([&, i](Timestamp) {
      ++calls;
      // Destroys all the others, and is whoever comes first.
      for (int other = 0; other < 3; ++other) {
        if (other != i) channels[static_cast<std::size_t>(other)].reset();
      }
    });
    ASSERT_TRUE(channels.back()->enable_reading());
  }
  iterate();
  EXPECT_EQ(calls, 1);
}

TEST_F(ChannelTest, L5ADescriptorMayBeClosedAndUsedAgainWithinOneIteration) {
  Ends first = Ends::pipe();
  Ends second = Ends::pipe();
  test::write_to(first.b, "x");
  test::write_to(second.b, "x");
  UniqueFd fresh;
  std::optional<Channel> a(std::in_place, loop, first.a.get());
  std::optional<Channel> b(std::in_place, loop, second.a.get());
  int calls = 0;
  // Whoever is first closes the other's descriptor and takes its number and its very memory.
  const auto replace = [&](std::optional<Channel>& victim, UniqueFd& descriptor) {
    ++calls;
    const int number = descriptor.get();
    victim.reset();
    descriptor.reset();
    fresh = UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    ASSERT_EQ(fresh.get(), number);
    victim.emplace(loop, number);
    victim->on_read([](Timestamp) { ADD_FAILURE() << "an event of the former descriptor"; });
    ASSERT_TRUE(victim->enable_reading());
  };
  a->on_read([&](Timestamp) {
    a->remove();
    replace(b, second.a);
  });
  b->on_read([&](Timestamp) {
    b->remove();
    replace(a, first.a);
  });
  ASSERT_TRUE(a->enable_reading());
  ASSERT_TRUE(b->enable_reading());
  iterate();
  iterate();
  EXPECT_EQ(calls, 1);
}

TEST_F(ChannelTest, Step3AChannelRemovedByItselfIsNotCalledAgain) {
  Ends ends = Ends::socket_pair();
  test::write_to(ends.b, "x");
  Channel channel(loop, ends.a.get());
  channel.on_read([&](Timestamp) {
    told.emplace_back("read");
    channel.remove();
    ASSERT_TRUE(channel.enable_writing());
  });
  channel.on_write([&] {
    told.emplace_back("write");
    channel.remove();
  });
  ASSERT_TRUE(channel.enable_reading());
  ASSERT_TRUE(channel.enable_writing());
  iterate();
  EXPECT_THAT(told, ElementsAre("read"));
  iterate();
  EXPECT_THAT(told, ElementsAre("read", "write"));
}

TEST_F(ChannelTest, L4ADescriptorIsNotOwned) {
  const Ends ends = Ends::pipe();
  for (int round = 0; round < 2; ++round) {
    Channel channel(loop, ends.a.get());
    tell_all(channel);
    ASSERT_TRUE(channel.enable_reading());
    if (round == 0) channel.remove();
  }
  EXPECT_GE(::fcntl(ends.a.get(), F_GETFD), 0) << "it was closed";
  test::write_to(ends.b, "x");
  iterate();
  EXPECT_TRUE(told.empty()) << "it was still watched";
}

TEST_F(ChannelTest, L5AChannelMayRemoveItselfInAnyOfItsCallbacks) {
  const std::vector<std::string> all{"error", "close", "write"};
  for (std::size_t last = 0; last < all.size(); ++last) {
    Ends ends = Ends::socket_pair();
    Channel channel(loop, ends.a.get());
    const auto tell = [&](std::size_t which) {
      return [&, which] {
        told.push_back(all[which]);
        if (which != last) return;
        channel.remove();
        // What was to be told is forgotten all the same.
        EXPECT_TRUE(channel.enable_writing());
      };
    };
    channel.on_error(tell(0));
    channel.on_close(tell(1));
    channel.on_write(tell(2));
    ASSERT_TRUE(channel.enable_writing());
    // Unread by the peer, so that the peer's close is a reset: all three at once.
    test::write_to(ends.a, "x");
    ends.b.reset();
    told.clear();
    iterate();
    EXPECT_EQ(told, std::vector(all.begin(), all.begin() + static_cast<long>(last) + 1));
  }
}

TEST_F(ChannelTest, L5ACallbackOfAnyKindMayRemoveOrDestroyAnyChannel) {
  using Act = std::function<void()>;
  const std::vector<std::function<void(const Act&)>> callers{
      [this](const Act& act) { loop.run_at(MonotonicTime(), act); },
      [this](const Act& act) { loop.queue_in_loop(act); },
      [this](const Act& act) { loop.at_iteration_end(act); },
      [this](const Act& act) {
        loop.release_later(std::shared_ptr<void>(nullptr, [act](void*) { act(); }));
      },
  };
  for (const auto& call_from : callers) {
    Ends first = Ends::pipe();
    Ends second = Ends::pipe();
    test::write_to(first.b, "x");
    test::write_to(second.b, "x");
    auto destroyed = std::make_unique<Channel>(loop, first.a.get());
    Channel removed(loop, second.a.get());
    bool gone = false;
    for (Channel* channel : {destroyed.get(), &removed}) {
      channel->on_read([&](Timestamp) { EXPECT_FALSE(gone) << "called after its end"; });
      ASSERT_TRUE(channel->enable_reading());
    }
    call_from([&] {
      destroyed.reset();
      removed.remove();
      gone = true;
    });
    iterate();
    EXPECT_TRUE(gone);
    iterate();
  }
}

TEST_F(ChannelTest, ARegularFileCannotBeWatched) {
  const UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file);
  Channel channel(loop, file.get());
  const Result<void> enabled = channel.enable_reading();
  ASSERT_FALSE(enabled);
  EXPECT_EQ(enabled.error().number(), EPERM);
  EXPECT_THAT(enabled.error().message(), HasSubstr(std::to_string(file.get())));
  EXPECT_FALSE(channel.is_watched());
}

TEST_F(ChannelTest, AClosedDescriptorCannotBeWatched) {
  Channel channel(loop, 1'000'000);
  const Result<void> enabled = channel.enable_writing();
  ASSERT_FALSE(enabled);
  EXPECT_EQ(enabled.error().number(), EBADF);
  EXPECT_FALSE(channel.is_watched());
}

TEST_F(ChannelTest, HangUpGoesToTheReaderIfNobodyElseTakesIt) {
  Ends ends = Ends::pipe();
  Channel channel(loop, ends.a.get());
  channel.on_read([&](Timestamp) {
    told.emplace_back("read");
    EXPECT_EQ(test::drain(ends.a), 0);
    channel.remove();
  });
  ASSERT_TRUE(channel.enable_reading());
  ends.b.reset();
  iterate();
  EXPECT_THAT(told, ElementsAre("read"));
}

TEST_F(ChannelTest, AnErrorGoesToTheWriterIfNobodyElseTakesIt) {
  Ends ends = Ends::pipe();
  // Full, so that it is the error and not room that is told.
  std::string block(65536, 'x');
  while (::write(ends.b.get(), block.data(), block.size()) > 0) continue;
  Channel channel(loop, ends.b.get());
  channel.on_write([&] { told.emplace_back("write"); });
  ASSERT_TRUE(channel.enable_writing());
  iterate();
  EXPECT_TRUE(told.empty());
  ends.a.reset();
  iterate();
  EXPECT_THAT(told, ElementsAre("write"));
}

TEST_F(ChannelTest, L7AnEventThatNobodyTakesEndsTheWatchingAndSaysSo) {
  std::vector<std::string> log;
  set_log_sink([&log](const LogRecord& record) { log.emplace_back(record.message); });
  // Hang-up for a writer without any callback; data without a reader; room without a writer.
  Ends pipe = Ends::pipe();
  Channel hang_up(loop, pipe.a.get());
  hang_up.on_error([] {});
  ASSERT_TRUE(hang_up.enable_writing());
  pipe.b.reset();
  Ends sockets = Ends::socket_pair();
  Channel data(loop, sockets.a.get());
  data.on_write([] {});
  ASSERT_TRUE(data.enable_reading());
  test::write_to(sockets.b, "x");
  Channel room(loop, sockets.b.get());
  ASSERT_TRUE(room.enable_writing());
  iterate();
  EXPECT_FALSE(hang_up.is_watched());
  EXPECT_FALSE(data.is_watched());
  EXPECT_FALSE(room.is_watched());
  set_log_sink({});
  ASSERT_EQ(log.size(), 3u);
  for (const std::string& line : log) EXPECT_THAT(line, HasSubstr("no callback takes"));
}

TEST_F(ChannelTest, ExclusiveChannelsWakeFewerLoops) {
  // Many loops wait for one descriptor; one event. EPOLLEXCLUSIVE promises to wake at least one,
  // and with nobody awake it is exactly one.
  constexpr int kLoops = 4;
  const UniqueFd event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC | EFD_SEMAPHORE));
  ASSERT_TRUE(event);
  std::vector<std::unique_ptr<EventLoop>> loops;
  std::vector<std::unique_ptr<Channel>> channels;
  int told_loops = 0;
  for (int i = 0; i < kLoops; ++i) {
    loops.push_back(EventLoop::create().value());
    channels.push_back(std::make_unique<Channel>(*loops.back(), event.get()));
    channels.back()->set_exclusive(true);
    EXPECT_TRUE(channels.back()->exclusive());
    channels.back()->on_read([&](Timestamp) {
      ++told_loops;
      std::uint64_t value = 0;
      EXPECT_EQ(::read(event.get(), &value, sizeof value), ssize_t{sizeof value});
    });
    channels.back()->on_write([] {});
    ASSERT_TRUE(channels.back()->enable_reading());
    // Changing an exclusive registration works too.
    ASSERT_TRUE(channels.back()->enable_writing());
    ASSERT_TRUE(channels.back()->disable_writing());
  }
  const std::uint64_t one = 1;
  ASSERT_EQ(::write(event.get(), &one, sizeof one), ssize_t{sizeof one});
  for (const auto& each : loops) {
    each->quit();
    ASSERT_TRUE(each->loop());
  }
  EXPECT_EQ(told_loops, 1);
}

TEST_F(ChannelTest, AnExclusiveChannelWhoseChangeFailsIsNotWatched) {
  // A limit of epoll's, so on a loop over epoll in any case.
  const auto epoll_loop = EventLoop::create({.poller = PollerKind::kEpoll}).value();
  const auto iterate_it = [&] { return epoll_loop->quit(), epoll_loop->loop().has_value(); };
  Ends ends = Ends::socket_pair();
  auto channel = std::make_unique<Channel>(*epoll_loop, ends.a.get());
  channel->set_exclusive(true);
  channel->on_read([&](Timestamp) {
    // An epoll descriptor cannot be watched exclusively (EINVAL), so put one in its place.
    const UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    channel->remove();
    ASSERT_GE(::dup2(epoll.get(), ends.a.get()), 0);
    const Result<void> enabled = channel->enable_writing();
    ASSERT_FALSE(enabled);
    EXPECT_EQ(enabled.error().number(), EINVAL);
    EXPECT_FALSE(channel->is_watched());
    told.emplace_back("read");
  });
  ASSERT_TRUE(channel->enable_reading());
  test::write_to(ends.b, "x");
  EXPECT_TRUE(iterate_it());
  EXPECT_THAT(told, ElementsAre("read"));
  channel.reset();
  EXPECT_TRUE(iterate_it());
}

TEST_F(ChannelTest, L6OwnDestructionInACallbackGoesThroughReleaseLater) {
  struct Owner {
    Owner(EventLoop& loop, int fd) : channel(loop, fd) {}
    Channel channel;
  };
  Ends ends = Ends::pipe();
  auto owner = std::make_shared<Owner>(loop, ends.a.get());
  const std::weak_ptr<Owner> watch = owner;
  owner->channel.on_read([&](Timestamp) {
    owner->channel.remove();
    loop.release_later(std::move(owner));
    EXPECT_FALSE(watch.expired());
  });
  ASSERT_TRUE(owner->channel.enable_reading());
  test::write_to(ends.b, "x");
  iterate();
  EXPECT_TRUE(watch.expired());
}

// What a broken precondition does where assertions are on.
#if defined(LEAT_ASSERTIONS) && LEAT_ASSERTIONS
using ChannelDeathTest = ChannelTest;

TEST_F(ChannelDeathTest, L4AChannelIsRemovedBeforeItsDescriptorIsClosed) {
  EXPECT_DEATH(
      {
        Ends ends = Ends::pipe();
        Channel channel(loop, ends.a.get());
        channel.enable_reading().value();
        ends.a.reset();
        channel.remove();
      },
      "closed before its Channel was removed");
}

TEST_F(ChannelDeathTest, L6AChannelIsNotDestroyedByItsOwnCallback) {
  Ends ends = Ends::pipe();
  test::write_to(ends.b, "x");
  auto channel = std::make_unique<Channel>(loop, ends.a.get());
  channel->on_read([&](Timestamp) { channel.reset(); });
  ASSERT_TRUE(channel->enable_reading());
  EXPECT_DEATH(iterate(), "destroyed by its own callback");
}
#endif

TEST(EventLoopCreate, SaysWhenDescriptorsHaveRunOut) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::dup(0);
  ASSERT_GE(next, 0);
  ::close(next);
  // No descriptor for the poller; one for it and none for the mailbox.
  for (int spare = 0; spare < 2; ++spare) {
    rlimit none = before;
    none.rlim_cur = static_cast<rlim_t>(next + spare);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const Result<std::unique_ptr<EventLoop>> loop = EventLoop::create();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    ASSERT_FALSE(loop);
    EXPECT_EQ(loop.error().number(), EMFILE);
  }
}

}  // namespace
}  // namespace leat
