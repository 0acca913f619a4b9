// Connections of TcpServer and TcpClient that go by shared memory, and those that must not.

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/net/tcp_connection.h"
#include "leat/smc/fallback_reason.h"

#include "support/raw_client.h"
#include "support/server_fixture.h"
#include "support/tcp_client_fixture.h"

namespace leat {
namespace {

using testing::run_on;
using testing::run_until;
using testing::ServerFixture;
using testing::wait_until;

/// Of this process and for all its tests: the broker lives in it.
class OwnBroker : public ::testing::Environment {
 public:
  void SetUp() override {
    char name[] = "/tmp/leat-net-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    path_ = name;
    ::setenv("LEAT_DIR", (path_ + "/d").c_str(), 1);
    ::unsetenv("LEAT");
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

 private:
  std::string path_;
};
const auto* const broker = ::testing::AddGlobalTestEnvironment(new OwnBroker);

class SharedMemoryTest : public testing::TcpClientTest {
 protected:
  void start(TcpServerOptions options = {}) {
    server = std::make_unique<ServerFixture>(std::move(options));
    server->server().on_connection([this](const TcpConnectionPtr& c) { peer = c; });
    server->server().on_message(
        [](const TcpConnectionPtr& c, ReceiveBuffer& in, Timestamp t) { testing::echo(c, in, t); });
  }
  void connect() {
    server->start();
    make(server->address());
    ASSERT_TRUE(client->connect());
    ASSERT_TRUE(wait_for("open"));
  }
  void exchange(const std::string& text) {
    received.clear();
    client->connection()->send(text);
    ASSERT_TRUE(run_until(*loop, [&] { return received.size() >= text.size(); }));
    ASSERT_TRUE(received == text);
  }
  /// Talks until both ends have left TCP.
  void share() {
    for (int i = 0; i < 500 && !is_shared(); ++i) exchange("message " + std::to_string(i));
    ASSERT_TRUE(is_shared()) << to_string(client->connection()->why_not_shared());
  }
  [[nodiscard]] bool is_shared() const {
    return client->connection()->uses_shared_memory() && peer_is_shared();
  }

  /// `peer` is its loop's.
  [[nodiscard]] bool peer_is_shared() const {
    bool is_shared = false;
    run_on(server->base(), [&] { is_shared = peer->uses_shared_memory(); });
    return is_shared;
  }

  std::unique_ptr<ServerFixture> server;
  TcpConnectionPtr peer;
};

TEST_F(SharedMemoryTest, BothEndsGoOverAndTheStreamGoesOn) {
  start();
  connect();
  share();
  const std::uint64_t reads = client->counters().reads.load();
  for (int i = 0; i < 200; ++i) exchange(std::string(static_cast<std::size_t>(1 + i * 37), 'x'));
  // Some come by doorbells, but not one a message.
  EXPECT_LT(client->counters().reads.load() - reads, 400U);
}

TEST_F(SharedMemoryTest, LargeAmountsSpillToTcpAndArriveInOrder) {
  start();
  connect();
  share();
  Random random(7);
  for (int round = 0; round < 8; ++round) {
    std::string text(random.uniform(0, 12'000'000), '\0');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 + i / 251);
    exchange(text);
    exchange("small");
  }
  EXPECT_TRUE(is_shared());
}

TEST_F(SharedMemoryTest, AReaderThatPausesGetsEverythingAfterwards) {
  start();
  connect();
  share();
  received.clear();
  client->connection()->pause_reading();
  const std::string text(6'000'000, 'p');
  run_on(server->base(), [&] { peer->send(text); });
  settle();
  EXPECT_EQ(received.size(), 0U);
  client->connection()->resume_reading();
  EXPECT_TRUE(run_until(*loop, [&] { return received.size() == text.size(); }));
}

TEST_F(SharedMemoryTest, HalfCloseAndCloseEndTheStreamBehindItsBytes) {
  start();
  connect();
  share();
  received.clear();
  run_on(server->base(), [&] {
    peer->send(std::string(3'000'000, 'e'));
    peer->close();
  });
  ASSERT_TRUE(wait_for("close peer_closed"));
  EXPECT_EQ(received.size(), 3'000'000U);
}

TEST_F(SharedMemoryTest, AnAbortIsAReset) {
  start();
  connect();
  share();
  run_on(server->base(), [&] { peer->abort(); });
  EXPECT_TRUE(wait_for("close reset"));
}

TEST_F(SharedMemoryTest, AFileGoesByRing) {
  start();
  connect();
  share();
  char name[] = "/tmp/leat-file-XXXXXX";
  UniqueFd file(::mkstemp(name));
  ASSERT_TRUE(file);
  ::unlink(name);
  std::string text(5'000'000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 13 + i / 509);
  ASSERT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  received.clear();
  auto shared = std::make_shared<const UniqueFd>(std::move(file));
  run_on(server->base(), [&] { peer->send_file(shared, 0, text.size()); });
  ASSERT_TRUE(run_until(*loop, [&] { return received.size() >= text.size(); }));
  EXPECT_TRUE(received == text);
}

TEST_F(SharedMemoryTest, APeerWithoutLeatStaysOnTcp) {
  start();
  server->start();
  testing::RawClient raw(server->address());
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(raw.send("hello"));
    ASSERT_EQ(raw.read(5), "hello");
  }
  run_on(server->base(), [&] {
    EXPECT_FALSE(peer->uses_shared_memory());
    EXPECT_EQ(peer->why_not_shared(), smc::FallbackReason::kWaitingForPeer);
  });
}

TEST_F(SharedMemoryTest, AnOptionKeepsItOnTcp) {
  start({.connection = {.shared_memory = false}});
  connect();
  for (int i = 0; i < 100; ++i) exchange("x");
  EXPECT_FALSE(peer_is_shared());
  EXPECT_FALSE(client->connection()->uses_shared_memory());
}

TEST_F(SharedMemoryTest, DoesNotMove) {
  start();
  connect();
  share();
  run_on(server->base(), [&] {
    const Result<void> moved = peer->move_to(server->base());
    ASSERT_FALSE(moved);
    EXPECT_EQ(moved.error().number(), ENOTSUP);
  });
}

TEST_F(SharedMemoryTest, AnIdleConnectionIsWokenByADoorbell) {
  start();
  connect();
  share();
  for (int i = 0; i < 20; ++i) {
    ::usleep(20'000);  // the server's loop sleeps by now
    exchange("after a while");
  }
}

}  // namespace
}  // namespace leat
