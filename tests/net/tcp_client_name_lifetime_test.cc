// A TcpClient by name may be destroyed, or told to stop, in every stage of an attempt.

#include <cerrno>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/tcp_client.h"
#include "leat/net/tcp_connection.h"

#include "support/name_client_fixture.h"

namespace leat {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::Events;
using testing::Peers;
using testing::run_until;
using Family = InetAddress::Family;

class TcpClientNameLifetimeTest : public testing::NameClientTest {
 protected:
  struct Stage {
    std::string name;
    std::function<void()> reach;
  };

  /// Every stage of one attempt; each ends with the client still connecting.
  std::vector<Stage> stages() {
    const auto connect = [this](std::uint16_t port, TcpClientOptions options = {}) {
      options.happy_eyeballs.attempt_delay = milliseconds(20);
      make_by_name(port, std::move(options));
      ASSERT_TRUE(client->connect());
    };
    return {
        {"at once", [=, this] { connect(peers.port); }},
        {"while the name is asked for",
         [=, this] {
           name({.silent = true}, {.silent = true});
           connect(peers.port);
           const std::size_t asked = dns->asked().size();
           run_until(*loop, [&] { return dns->asked().size() >= asked + 2; });
         }},
        {"while A waits for AAAA",
         [=, this] {
           name({.silent = true}, {.records = {"A 127.0.0.1"}});
           connect(peers.port, {.happy_eyeballs = {.resolution_delay = hours(1)}});
           run_until(*loop, [&] { return dns->asked().size() >= 2; });
           settle();
         }},
        {"during the first attempt",
         [=, this] {
           name({.records = {"AAAA ::1"}}, {.silent = true});
           connect(peers.port);
           run_until(*loop, [&] { return dns->asked().size() >= 2; });
           settle();
         }},
        {"during two attempts",
         [=, this] {
           name();
           connect(peers.port);
           const MonotonicTime later = monotonic_now() + milliseconds(60);
           run_until(*loop, [&] { return monotonic_now() > later; });
         }},
        {"during a delay",
         [=, this] {
           name({.rcode = 3}, {.rcode = 3});
           connect(peers.port, {.retry = {.enabled = true, .initial = hours(1)}});
           wait_for("attempt 1");
         }},
    };
  }
  void for_each_stage(const std::function<void()>& end) {
    for (std::size_t i = 0; i < stages().size(); ++i) {
      dns = std::make_unique<testing::DnsServer>(*loop);
      make_resolver();
      const Stage stage = stages()[i];
      SCOPED_TRACE(stage.name);
      stage.reach();
      ASSERT_TRUE(client->is_connecting());
      std::erase(events, "attempt 1");
      end();
      EXPECT_TRUE(events.empty()) << events.front();
    }
  }
  void SetUp() override {
    peers.fill(Family::kIpv6);
    // Two of each family's listener are full.
    const InetAddress v4 = InetAddress::loopback(peers.port);
    for (UniqueFd& socket : fillers_) {
      socket.reset(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      static_cast<void>(::connect(socket.get(), v4.get(), v4.size()));
    }
  }

  Peers peers{0, 0};

 private:
  UniqueFd fillers_[2];
};

TEST_F(TcpClientNameLifetimeTest, MayBeDestroyedInEveryStage) {
  for_each_stage([this] {
    client.reset();
    EXPECT_EQ(resolver->open_questions(), 0u);
    settle();
    resolver.reset();
    dns.reset();
    settle();
    EXPECT_EQ(loop->timer_count(), 0u);
  });
}

TEST_F(TcpClientNameLifetimeTest, MayBeDisconnectedInEveryStage) {
  for_each_stage([this] {
    client->disconnect();
    EXPECT_FALSE(client->is_connecting());
    EXPECT_EQ(resolver->open_questions(), 0u);
    settle();
    // And may begin again.
    EXPECT_TRUE(client->connect());
    EXPECT_TRUE(client->is_connecting());
    client.reset();
  });
}

TEST_F(TcpClientNameLifetimeTest, TheLoopMayEndInEveryStage) {
  for_each_stage([this] {
    dns.reset();
    resolver.reset();
    loop.reset();
    EXPECT_FALSE(client->is_connecting());
    EXPECT_EQ(client->connect().error().number(), ESHUTDOWN);
    client.reset();
    loop = EventLoop::create().value();
  });
}

TEST_F(TcpClientNameLifetimeTest, MayBeDestroyedByItsCallbacks) {
  const Peers open;
  name();
  for (std::function<void()>* hook : {&when_open, &when_attempt_failed, &when_failed}) {
    const bool fails = hook != &when_open;
    make_by_name(fails ? testing::free_address().port() : open.port);
    *hook = [this] { client.reset(); };
    ASSERT_TRUE(client->connect());
    ASSERT_TRUE(run_until(*loop, [&] { return !client; }));
    settle();
    *hook = {};
  }
  EXPECT_EQ(events, (Events{"open", "close aborted", "attempt 1", "attempt 1", "failed 1"}));
}

}  // namespace
}  // namespace leat
