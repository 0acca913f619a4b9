// Every allocation on the way of a connection fails once.
#include <fcntl.h>
#include <sys/socket.h>

#include <memory>
#include <new>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"

#include "support/raw_client.h"
#include "tests/reactor/failing_allocator.h"

namespace leat {
namespace {

using testing::pattern;
using testing::RawClient;

constexpr std::size_t kMessage = 40'000;

/// A new one for each failure: what is kept for another time needs no memory then.
class Scene {
 public:
  Scene() {
    server_.on_message([this](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
      if (input.size() < kMessage) return;
      connection->send(input.view());
      connection->send(shared_, *shared_);
      const std::string_view pieces[] = {"some ", "pieces"};
      connection->send(pieces);
      input.consume_all();
    });
    server_.listen(InetAddress::loopback(0)).value();
    server_.start().value();
  }
  /// Iterations of the loop; how often memory ran out where nobody could say whose fault it is.
  int run(int iterations) {
    int left = 0;
    for (int i = 0; i < iterations; ++i) {
      loop_->quit();
      try {
        EXPECT_TRUE(loop_->loop());
      } catch (const std::bad_alloc&) {
        ++left;
      }
    }
    return left;
  }
  static std::string take(const RawClient& client) {
    std::string bytes(kMessage * 2, '\0');
    const ssize_t count = ::recv(client.fd(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return bytes;
  }
  static bool has_ended(const RawClient& client) {
    char byte;
    return ::recv(client.fd(), &byte, 1, MSG_DONTWAIT) == 0 || (errno != EAGAIN);
  }
  std::string answer() const { return message_ + *shared_ + "some pieces"; }
  /// True if something failed, and false if there was nothing left to fail; `ended` if it cost
  /// the connection.
  bool fail(std::size_t nth, bool& ended) {
    bool happened = false;
    RawClient witness(server_.addresses().front());
    run(2);
    RawClient client(server_.addresses().front());
    {
      const test::FailingAllocation failing(nth);
      run(2);
      client.send(std::string_view(message_).substr(0, 1000));
      run(2);
      client.send(std::string_view(message_).substr(1000));
      run(8);
      happened = test::FailingAllocation::happened();
    }
    run(20);
    // All of the answer or an end, and never an answer with a hole.
    const std::string got = take(client);
    EXPECT_EQ(got, answer().substr(0, got.size()));
    ended = got != answer();
    EXPECT_TRUE(happened || !ended);
    EXPECT_TRUE(!ended || has_ended(client)) << got.size();
    client.reset();
    witness.send(message_);
    run(20);
    EXPECT_EQ(take(witness), answer());
    EXPECT_EQ(server_.connection_count(), 1u);
    bool stopped = false;
    server_.stop(std::chrono::seconds(10), [&](const StopReport&) { stopped = true; });
    witness.close();
    run(20);
    EXPECT_TRUE(stopped) << "a connection that never was is still counted";
    return happened;
  }

 private:
  const std::string message_ = pattern(kMessage);
  const std::shared_ptr<const std::string> shared_ = std::make_shared<std::string>(3000, 's');
  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
  TcpServer server_{*loop_};
};

/// A client whose input meets a pause at each part, so that it waits in the connection or below it.
class PausedScene {
 public:
  PausedScene() {
    server_.on_message([this](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
      if (input.size() < kPart) return;
      connection->pause_reading();
      paused_ = connection;
      got_ += input.take(kPart);
    });
    server_.on_close([this](const auto&, CloseReason) { closed_ = true; });
    server_.listen(InetAddress::loopback(0)).value();
    server_.start().value();
  }
  ~PausedScene() { paused_.reset(); }
  PausedScene(const PausedScene&) = delete;
  PausedScene& operator=(const PausedScene&) = delete;

  bool fail(std::size_t nth, bool& ended) {
    const std::string sent = pattern(30 * kPart);
    RawClient client(server_.addresses().front());
    run(2);
    client.send(std::string_view(sent).substr(0, 1000));
    run(2);
    bool happened = false;
    {
      const test::FailingAllocation failing(nth);
      client.send(std::string_view(sent).substr(1000, 20'000));
      run(6);
      client.send(std::string_view(sent).substr(21'000));
      run(6);
      happened = test::FailingAllocation::happened();
    }
    for (int i = 0; i < 200 && got_.size() < sent.size() && !closed_; ++i) run(1);
    EXPECT_EQ(got_, sent.substr(0, got_.size())) << "a hole";
    ended = got_ != sent;
    EXPECT_TRUE(!ended || closed_) << "neither all nor an end, but " << got_.size();
    EXPECT_TRUE(happened || !ended);
    return happened;
  }

 private:
  /// Iterations, before each of which the pause is undone.
  void run(int iterations) {
    for (int i = 0; i < iterations; ++i) {
      loop_->quit();
      try {
        // Let go of only once it has worked.
        if (paused_ && paused_->is_open()) paused_->resume_reading();
        paused_.reset();
        EXPECT_TRUE(loop_->loop());
      } catch (const std::bad_alloc&) {
      }
    }
  }

  static constexpr std::size_t kPart = 3000;
  std::string got_ = [] {
    std::string room;
    room.reserve(40 * kPart);
    return room;
  }();
  bool closed_ = false;
  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
  TcpConnectionPtr paused_;
  TcpServer server_{*loop_};
};

TEST(NetOutOfMemory, WhatWaitsBehindAPauseIsToldOrTheConnectionEnds) {
  EXPECT_GT(test::fail_each_allocation<PausedScene>(), 0);
}

/// Sends in each way from outside of callbacks, again if memory ran out.
class SendingScene {
 public:
  SendingScene() {
    server_.on_connection([this](const TcpConnectionPtr& connection) { connection_ = connection; });
    server_.listen(InetAddress::loopback(0)).value();
    server_.start().value();
  }
  ~SendingScene() { connection_.reset(); }
  SendingScene(const SendingScene&) = delete;
  SendingScene& operator=(const SendingScene&) = delete;

  bool fail(std::size_t nth, bool& ended) {
    RawClient client(server_.addresses().front());
    run(3);
    const auto owner = std::make_shared<std::string>("owned ");
    const std::string_view pieces[] = {"some ", "pieces "};
    std::string long_one(3000, 'l');
    bool happened = false;
    {
      const test::FailingAllocation failing(nth);
      again([&] { connection_->send("short "); });
      run(1);
      again([&] { connection_->send(pieces); });
      run(1);
      again([&] { connection_->send(owner, *owner); });
      run(1);
      again([&] { connection_->send(std::string(long_one)); });
      run(1);
      happened = test::FailingAllocation::happened();
    }
    run(4);
    std::string got(10'000, '\0');
    const ssize_t count = ::recv(client.fd(), got.data(), got.size(), MSG_DONTWAIT);
    got.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    EXPECT_EQ(got, "short some pieces owned " + long_one);
    ended = false;
    return happened;
  }

 private:
  template <typename Send>
  void again(Send send) {
    try {
      send();
    } catch (const std::bad_alloc&) {
      send();
    }
  }
  void run(int iterations) {
    for (int i = 0; i < iterations; ++i) {
      loop_->quit();
      EXPECT_TRUE(loop_->loop());
    }
  }

  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
  TcpConnectionPtr connection_;
  TcpServer server_{*loop_};
};

TEST(NetOutOfMemory, ASendThatThrowsHasQueuedNothing) {
  test::fail_each_allocation<SendingScene>();
}

TEST(NetOutOfMemory, CostsOneConnectionAtMost) {
  EXPECT_GT(test::fail_each_allocation<Scene>(), 2)
      << "a connection allocates more often than that";
}

}  // namespace
}  // namespace leat
