// Internal: a TcpClient whose callbacks write down what happens, and peers for it.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/tcp_client.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/event_loop.h"

#include "support/raw_sockets.h"

namespace leat::testing {

inline InetAddress bound(const UniqueFd& socket) {
  return InetAddress::local_of(socket.get()).value();
}

/// A loopback port on which nobody listens.
inline InetAddress free_address() {
  return bound(plain_listener());
}

/// A listener that accepts nobody and whose queue is full: the kernel drops further SYNs.
class FullListener {
 public:
  FullListener() {
    for (int i = 0; i < 2; ++i) {
      UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      const InetAddress address = bound(listener_);
      static_cast<void>(::connect(socket.get(), address.get(), address.size()));
      fill_.push_back(std::move(socket));
    }
  }
  [[nodiscard]] InetAddress address() const { return bound(listener_); }

 private:
  UniqueFd listener_ = plain_listener(0);
  std::vector<UniqueFd> fill_;
};

/// A client whose callbacks write down what happens.
class TcpClientTest : public ::testing::Test {
 protected:
  void make(const InetAddress& peer, TcpClientOptions options = {}) {
    client = std::make_unique<TcpClient>(*loop, peer, std::move(options));
    set_callbacks();
  }
  void set_callbacks() {
    client->on_connection([this](const TcpConnectionPtr& connection) {
      note("open");
      EXPECT_EQ(client->connection(), connection);
      if (when_open) when_open();
    });
    client->on_message([this](const TcpConnectionPtr&, ReceiveBuffer& input, Timestamp) {
      received += input.take_all();
      if (when_message) when_message();
    });
    client->on_close([this](const TcpConnectionPtr&, CloseReason reason) {
      note("close " + std::string(to_string(reason)));
      if (when_closed) when_closed();
    });
    client->on_attempt_failed(
        [this](const Error& error, std::size_t attempt, std::optional<Duration> retry_in) {
          note("attempt " + std::to_string(attempt));
          last_error = error.message();
          last_number = error.number();
          if (retry_in) delays.push_back(*retry_in);
          if (when_attempt_failed) when_attempt_failed();
        });
    client->on_connect_failed([this](const Error&, std::size_t attempts) {
      note("failed " + std::to_string(attempts));
      if (when_failed) when_failed();
    });
  }
  void note(std::string event) { events.push_back(std::move(event)); }
  bool wait_for(const std::string& event) {
    return run_until(*loop, [&] { return !events.empty() && events.back() == event; });
  }
  bool wait_for_count(const std::string& event, int count) {
    return run_until(*loop,
                     [&] { return std::count(events.begin(), events.end(), event) >= count; });
  }
  /// Whatever is still to come, comes now.
  void settle() {
    int rounds = 0;
    run_until(*loop, [&] { return ++rounds == 20; });
  }

  std::unique_ptr<EventLoop> loop = EventLoop::create().value();
  std::vector<std::string> events;
  std::string received;
  std::string last_error;
  int last_number = 0;
  std::vector<Duration> delays;
  std::function<void()> when_open, when_message, when_closed, when_attempt_failed, when_failed;
  std::unique_ptr<TcpClient> client;  // Destroyed first: its callbacks use the others.
};

using Events = std::vector<std::string>;

}  // namespace leat::testing
