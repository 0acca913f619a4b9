// Internal: a TcpServer on loops of its own, for tests that talk to it from outside.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/event_loop_thread.h"

namespace leat::testing {

/// Runs `work` on the loop and waits for it.
inline void run_on(EventLoop& loop, const std::function<void()>& work) {
  std::promise<void> done;
  loop.run_in_loop([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

/// Waits until `condition` holds; false after a generous time.
inline bool wait_until(const std::function<bool()>& condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(40);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

/// A server whose base loop has a thread of its own. Set callbacks, then start().
class ServerFixture {
 public:
  explicit ServerFixture(TcpServerOptions options = {}) {
    base_ = thread_.start().value();
    run_on(*base_, [&] { server_ = std::make_unique<TcpServer>(*base_, std::move(options)); });
  }
  ~ServerFixture() { destroy(); }
  ServerFixture(const ServerFixture&) = delete;
  ServerFixture& operator=(const ServerFixture&) = delete;

  [[nodiscard]] TcpServer& server() { return *server_; }
  [[nodiscard]] EventLoop& base() { return *base_; }
  [[nodiscard]] const InetAddress& address() const { return address_; }

  void start(const InetAddress& address = InetAddress::loopback(0)) {
    run_on(*base_, [&] {
      server_->listen(address).value();
      server_->start().value();
      address_ = server_->addresses().front();
    });
  }
  /// On listeners of another server.
  void start(const InetAddress& address, ListenerSet& inherited) {
    run_on(*base_, [&] {
      server_->listen(address, inherited).value();
      server_->start().value();
      address_ = server_->addresses().front();
    });
  }
  void destroy() {
    if (server_) run_on(*base_, [this] { server_.reset(); });
  }
  /// The sum of one counter over all loops.
  [[nodiscard]] std::uint64_t total(Counter NetCounters::* counter) const {
    std::uint64_t sum = 0;
    for (const NetCounters* counters : server_->counters()) sum += (counters->*counter).load();
    return sum;
  }
  [[nodiscard]] std::uint64_t closed(CloseReason reason) const {
    std::uint64_t sum = 0;
    for (const NetCounters* counters : server_->counters()) {
      sum += counters->closed[static_cast<std::size_t>(reason)].load();
    }
    return sum;
  }
  [[nodiscard]] bool wait_closed(CloseReason reason, std::uint64_t count = 1) const {
    const bool closed_so_often = wait_until([&] { return closed(reason) >= count; });
    // Counters order nothing: only this makes what the callbacks wrote visible here.
    run_on(*base_, [] {});
    return closed_so_often;
  }

 private:
  EventLoopThread thread_;
  EventLoop* base_ = nullptr;
  std::unique_ptr<TcpServer> server_;
  InetAddress address_;
};

/// on_message that sends everything back.
inline void echo(const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
  connection->send(input.view());
  input.consume_all();
}

}  // namespace leat::testing
