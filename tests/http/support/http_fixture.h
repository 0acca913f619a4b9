// Internal: an HttpServer on a thread of its own, for tests that talk to it from outside.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "leat/http/http_server.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/event_loop_thread.h"

#include "support/http_client.h"

namespace leat::http::testing {

/// Waits until `condition` holds; false after a generous time.
inline bool wait_until(const std::function<bool()>& condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

/// Set handlers, then start().
class HttpFixture {
 public:
  explicit HttpFixture(HttpOptions options = {}, TcpServerOptions tcp = {}) {
    // Clients here live on after their connection was closed; nobody should wait for them long.
    tcp.connection.linger_timeout = std::chrono::milliseconds(200);
    base_ = thread_.start().value();
    run([&] { server_ = std::make_unique<HttpServer>(*base_, std::move(tcp), options); });
  }
  ~HttpFixture() { destroy(); }
  HttpFixture(const HttpFixture&) = delete;
  HttpFixture& operator=(const HttpFixture&) = delete;

  [[nodiscard]] HttpServer& server() { return *server_; }
  [[nodiscard]] EventLoop& base() { return *base_; }
  [[nodiscard]] const InetAddress& address() const { return address_; }
  [[nodiscard]] HttpClient client(int receive_buffer = 0) const {
    return HttpClient(address_, receive_buffer);
  }

  void start() {
    run([&] {
      server_->listen(InetAddress::loopback(0)).value();
      server_->start().value();
      address_ = server_->tcp().addresses().front();
    });
  }
  void destroy() {
    if (server_) run([this] { server_.reset(); });
  }
  /// Runs `work` on the base loop and waits for it.
  void run(const std::function<void()>& work) {
    std::promise<void> done;
    base_->run_in_loop([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

  [[nodiscard]] std::uint64_t total(Counter HttpCounters::* counter) const {
    std::uint64_t sum = 0;
    for (const HttpCounters* counters : server_->counters()) sum += (counters->*counter).load();
    return sum;
  }
  /// With a status that begins with this digit.
  [[nodiscard]] std::uint64_t responses(std::size_t digit) const {
    std::uint64_t sum = 0;
    for (const HttpCounters* counters : server_->counters()) {
      sum += counters->responses[digit].load();
    }
    return sum;
  }
  [[nodiscard]] std::uint64_t net_total(Counter NetCounters::* counter) const {
    std::uint64_t sum = 0;
    for (const NetCounters* counters : server_->tcp().counters()) {
      sum += (counters->*counter).load();
    }
    return sum;
  }
  [[nodiscard]] std::uint64_t closed(CloseReason reason) const {
    std::uint64_t sum = 0;
    for (const NetCounters* counters : server_->tcp().counters()) {
      sum += counters->closed[static_cast<std::size_t>(reason)].load();
    }
    return sum;
  }
  [[nodiscard]] bool wait_no_connections() const {
    return wait_until([this] { return server_->tcp().connection_count() == 0; });
  }

 private:
  EventLoopThread thread_;
  EventLoop* base_ = nullptr;
  std::unique_ptr<HttpServer> server_;
  InetAddress address_;
};

}  // namespace leat::http::testing
