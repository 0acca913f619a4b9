// Many clients that send a byte now and then: little memory for each, the limit for each, and
// nothing of it for others.
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/http_fixture.h"

namespace leat::http {
namespace {

using namespace std::chrono_literals;
using testing::HttpClient;
using testing::HttpFixture;
using testing::wait_until;

constexpr std::size_t kClients = 300;  // two descriptors each, of 1024 that are usual

/// Bytes that malloc() has given out; always 0 under sanitizers, which bring another malloc().
std::size_t heap_bytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

/// Clients that have sent `begin` and go on with a byte each, again and again.
class SlowClients {
 public:
  SlowClients(const HttpFixture& server, std::string_view begin) {
    for (std::size_t i = 0; i < kClients; ++i) clients_.push_back(server.client());
    for (HttpClient& client : clients_) EXPECT_TRUE(client.send(begin));
    drip_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        for (HttpClient& client : clients_) client.send("x");
        std::this_thread::sleep_for(10ms);
      }
    });
  }
  /// They fall silent and look what came.
  std::vector<HttpClient>& stop() {
    drip_ = {};
    return clients_;
  }

 private:
  std::vector<HttpClient> clients_;
  std::jthread drip_;
};

void expect_that_slow_clients_are_cut(HttpFixture& fixture, std::string_view begin,
                                      std::size_t bytes_each) {
  fixture.server().handle([](const HttpRequest&, HttpResponder responder) {
    responder.respond(HttpResponse::text("fine"));
  });
  fixture.start();
  HttpClient other = fixture.client();
  EXPECT_EQ(other.get("/").status, 200);
  const std::size_t before = heap_bytes();
  const auto timeouts = [&] { return fixture.total(&HttpCounters::timeouts); };

  SlowClients slow(fixture, begin);
  const std::size_t first = kClients * begin.size();
  ASSERT_TRUE(wait_until([&] {
    return fixture.net_total(&NetCounters::open) == kClients + 1 &&
           fixture.net_total(&NetCounters::bytes_received) > first;
  }));
  EXPECT_EQ(other.get("/").body, "fine");
  EXPECT_EQ(timeouts(), 0u) << "too slow to tell anything";
  std::size_t most = 0;
  ASSERT_TRUE(wait_until([&] {
    EXPECT_EQ(other.get("/").body, "fine");
    most = std::max(most, heap_bytes());
    return timeouts() == kClients;
  }));
  EXPECT_LT(most, before + kClients * bytes_each);
  for (HttpClient& client : slow.stop()) EXPECT_EQ(client.read_reply().status, 408);
  EXPECT_TRUE(wait_until([&] { return fixture.net_total(&NetCounters::open) == 1; }));
  EXPECT_EQ(other.get("/").body, "fine");
}

TEST(HttpSlowClients, InTheHeader) {
  HttpFixture fixture({.header_time = 2s});
  expect_that_slow_clients_are_cut(fixture, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 16 * 1024);
}

TEST(HttpSlowClients, InTheBody) {
  HttpFixture fixture({.body_time = 2s, .min_body_progress = 1000});
  // Of what a client only claims to send, memory for 64 KiB is taken.
  expect_that_slow_clients_are_cut(
      fixture, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n", 80 * 1024);
}

}  // namespace
}  // namespace leat::http
