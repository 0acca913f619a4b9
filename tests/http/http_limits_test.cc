// Clients that break rules, take too long or take nothing: an error or a closed connection for
// them, nothing for others.
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/http_fixture.h"

namespace leat::http {
namespace {

using namespace std::chrono_literals;
using testing::get_request;
using testing::HttpClient;
using testing::HttpFixture;
using testing::Reply;
using testing::wait_until;

struct Fine : HttpFixture {
  explicit Fine(HttpOptions options = {}, TcpServerOptions tcp = {})
      : HttpFixture(options, std::move(tcp)) {
    server().handle([](const HttpRequest& request, HttpResponder responder) {
      responder.respond(HttpResponse::text("fine " + std::string(request.body())));
    });
    start();
  }
  /// Others are served as ever, and nobody is left over.
  void expect_well() {
    HttpClient other = client();
    EXPECT_EQ(other.get("/", "Connection: close\r\n").body, "fine ");
    EXPECT_TRUE(wait_no_connections());
  }
};

/// Takes so many bytes and not one more; how many came.
std::size_t receive(const HttpClient& client, std::size_t count) {
  std::string bytes(count, '\0');
  return static_cast<std::size_t>(::recv(client.fd(), bytes.data(), count, MSG_WAITALL));
}

TEST(HttpLimits, MalformedRequestsGetAnErrorAndTheEnd) {
  Fine fixture;
  const std::vector<std::pair<int, std::string>> cases = {
      {400, "GET / HTTP/1.1\r\n\r\n"},
      {400, "GET / HTTP/1.1\nHost: a\n\n"},
      {400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {400,
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"},
      {400, "\x16\x03\x01\x02\x00\x01\x00"},
      {413, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"},
      {414, "GET /" + std::string(9000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n"},
      {417, "POST / HTTP/1.1\r\nHost: a\r\nExpect: gold\r\nContent-Length: 1\r\n\r\nx"},
      {431, get_request("/", "X: " + std::string(20000, 'x') + "\r\n")},
      {501, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {501, "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"},
      {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
      {505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
  };
  for (const auto& [status, request] : cases) {
    HttpClient client = fixture.client();
    client.send(request + get_request("/smuggled"));
    const Reply reply = client.read_reply();
    EXPECT_EQ(reply.status, status) << request;
    EXPECT_TRUE(reply.complete) << request;
    EXPECT_EQ(reply.header("Connection"), "close") << request;
    EXPECT_EQ(reply.header("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_TRUE(reply.body.starts_with(std::to_string(status))) << reply.body;
    EXPECT_GT(reply.body.size(), 20u) << "it says what was wrong";
    EXPECT_TRUE(client.sees_end()) << request;
  }
  EXPECT_EQ(fixture.total(&HttpCounters::rejected), cases.size());
  fixture.expect_well();
}

TEST(HttpLimits, GoodRequestsBeforeABadOneAreAnswered) {
  Fine fixture;
  HttpClient client = fixture.client();
  client.send(get_request("/") + get_request("/") + "(bad)\r\n\r\n");
  EXPECT_EQ(client.read_reply().status, 200);
  EXPECT_EQ(client.read_reply().status, 200);
  EXPECT_EQ(client.read_reply().status, 400);
  EXPECT_TRUE(client.sees_end());
}

TEST(HttpLimits, ChunkedBodiesAreCountedWithoutALength) {
  Fine fixture({.max_body_bytes = 10});
  HttpClient client = fixture.client();
  client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "6\r\nabcdef\r\n4\r\nghij\r\n0\r\n\r\n");
  EXPECT_EQ(client.read_reply().body, "fine abcdefghij");
  client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "6\r\nabcdef\r\n5\r\nghijk\r\n0\r\n\r\n");
  EXPECT_EQ(client.read_reply().status, 413);
  EXPECT_TRUE(client.sees_end());
}

TEST(HttpLimits, SlowLorisIsAnsweredAndCut) {
  Fine fixture({.header_time = 100ms});
  HttpClient client = fixture.client();
  std::atomic<bool> stop{false};
  // A byte now and then does not help.
  std::thread loris([&] {
    for (int i = 0; !stop && client.send(i == 0 ? "GET / HTTP/1.1\r\nX: " : "x"); ++i) {
      std::this_thread::sleep_for(10ms);
    }
  });
  const Reply reply = client.read_reply();
  stop = true;
  loris.join();
  EXPECT_EQ(reply.status, 408);
  EXPECT_EQ(fixture.total(&HttpCounters::timeouts), 1u);
  fixture.expect_well();
}

TEST(HttpLimits, TheHeaderTimeBeginsWithTheFirstByte) {
  Fine fixture({.header_time = 150ms});
  HttpClient client = fixture.client();
  // Idle for longer than that, between requests too.
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(client.get("/").status, 200);
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(client.get("/").status, 200);
}

TEST(HttpLimits, StrayLineEndsAreNoRequest) {
  Fine fixture({.header_time = 50ms});
  HttpClient client = fixture.client();
  client.send("\r\n");
  EXPECT_TRUE(client.sees_end()) << "without a response";
  EXPECT_EQ(fixture.total(&HttpCounters::timeouts), 0u);
}

TEST(HttpLimits, SlowBodiesAreCut) {
  Fine fixture({.body_time = 100ms, .min_body_progress = 1000});
  HttpClient client = fixture.client();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  std::atomic<bool> stop{false};
  std::thread drip([&] {
    while (!stop && client.send("x")) std::this_thread::sleep_for(10ms);
  });
  EXPECT_EQ(client.read_reply().status, 408);
  stop = true;
  drip.join();
  fixture.expect_well();
}

TEST(HttpLimits, BodiesThatKeepComingMayTakeLong) {
  Fine fixture({.body_time = 200ms, .min_body_progress = 10});
  HttpClient client = fixture.client();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
  for (int i = 0; i < 10; ++i) {
    client.send(std::string(100, 'x'));
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_EQ(client.read_reply().body.size(), 1005u);
}

TEST(HttpLimits, IdleConnectionsAreClosed) {
  Fine fixture({.idle_time = 50ms});
  HttpClient silent = fixture.client();
  EXPECT_TRUE(silent.sees_end());
  HttpClient used = fixture.client();
  EXPECT_EQ(used.get("/").status, 200);
  EXPECT_TRUE(used.sees_end());
}

TEST(HttpLimits, ASlowDownloadIsNotIdle) {
  TcpServerOptions tcp;
  tcp.connection.kernel_send_buffer = 16 * 1024;
  HttpFixture fixture({.idle_time = 300ms}, tcp);
  fixture.server().handle([](const HttpRequest&, HttpResponder responder) {
    responder.respond(HttpResponse::text(std::string(1024 * 1024, 'x')));
  });
  fixture.start();
  HttpClient client = fixture.client(4096);
  client.send(get_request("/"));
  std::this_thread::sleep_for(700ms);
  // A connection closed meanwhile would send the rest, and answer nothing more.
  client.send(get_request("/"));
  EXPECT_EQ(client.read_reply().body.size(), 1024u * 1024);
  EXPECT_EQ(client.read_reply().body.size(), 1024u * 1024);
  EXPECT_TRUE(client.sees_end()) << "idle now";
}

TEST(HttpLimits, RequestsPerConnection) {
  Fine fixture({.max_requests_per_connection = 2});
  HttpClient client = fixture.client();
  EXPECT_EQ(client.get("/").header("Connection"), "<none>");
  EXPECT_EQ(client.get("/").header("Connection"), "close");
  EXPECT_TRUE(client.sees_end());
}

TEST(HttpLimits, ANeverReadingClientIsCutAndHoldsLittle) {
  TcpServerOptions tcp;
  tcp.connection.kernel_send_buffer = 16 * 1024;
  tcp.connection.high_water_mark = 64 * 1024;
  tcp.connection.low_water_mark = 16 * 1024;
  HttpFixture fixture({.max_pipelined = 4, .response_stall_time = 200ms}, tcp);
  std::atomic<int> served{0};
  fixture.server().handle([&](const HttpRequest&, HttpResponder responder) {
    ++served;
    responder.respond(HttpResponse::text(std::string(50'000, 'x')));
  });
  fixture.start();
  HttpClient client = fixture.client(4096);
  std::string flood;
  for (int i = 0; i < 500; ++i) flood += get_request("/");
  client.send(flood);
  EXPECT_TRUE(wait_until([&] { return fixture.closed(CloseReason::kWriteTimeout) == 1; }));
  EXPECT_LT(served, 20) << "the rest was never looked at";
  HttpClient other = fixture.client();
  EXPECT_EQ(other.get("/").body.size(), 50'000u);
}

TEST(HttpLimits, PipelinedRequestsWaitForTheirPredecessorsOutput) {
  Fine fixture({.max_pipelined = 3});
  HttpClient client = fixture.client();
  std::string all;
  for (int i = 0; i < 50; ++i) all += get_request("/");
  client.send(all);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.read_reply().body, "fine ");
}

TEST(HttpLimits, RequestsResetAtAnyByteLeaveNothing) {
  Fine fixture;
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string request = head + "3\r\nabc\r\n0\r\n\r\n";
  std::size_t sent = 0;
  for (std::size_t size = 0; size <= request.size(); ++size) {
    HttpClient client = fixture.client();
    client.send(request.substr(0, size));
    sent += size;
    // The parser has seen the cut before the reset comes.
    ASSERT_TRUE(wait_until([&] {
      return fixture.net_total(&NetCounters::accepted) == size + 1 &&
             fixture.net_total(&NetCounters::bytes_received) == sent;
    })) << size;
    client.reset();
    ASSERT_TRUE(wait_until([&] { return fixture.closed(CloseReason::kReset) == size + 1; }))
        << size;
  }
  EXPECT_TRUE(fixture.wait_no_connections());
  EXPECT_EQ(fixture.total(&HttpCounters::requests), request.size() - head.size() + 1);
  EXPECT_EQ(fixture.responses(2), 1u) << "to the one that was whole";
  EXPECT_EQ(fixture.total(&HttpCounters::rejected), 0u);
  fixture.expect_well();
}

TEST(HttpLimits, ResponsesResetAtAnyByteLeaveNothing) {
  constexpr std::size_t kBody = 8 * 1024 * 1024;
  TcpServerOptions tcp;
  tcp.connection.kernel_send_buffer = 256 * 1024;
  HttpFixture fixture({}, tcp);
  fixture.server().handle([&](const HttpRequest&, HttpResponder responder) {
    responder.respond(HttpResponse::text(std::string(kBody, 'x')));
  });
  fixture.start();
  HttpClient first = fixture.client();
  first.send(get_request("/"));
  const std::size_t size = first.read(4096).find("\r\n\r\n") + 4;
  first.reset();
  std::uint64_t resets = 1;
  ASSERT_TRUE(wait_until([&] { return fixture.closed(CloseReason::kReset) == resets; }));
  for (const std::size_t cut :
       {std::size_t{0}, std::size_t{1}, size / 2, size - 1, size, size + 1, size + 100'000}) {
    const std::uint64_t unsent = fixture.net_total(&NetCounters::bytes_unsent);
    const std::uint64_t blocked = fixture.net_total(&NetCounters::write_blocked);
    HttpClient client = fixture.client(16 * 1024);
    client.send(get_request("/"));
    ASSERT_EQ(receive(client, cut), cut);
    ASSERT_TRUE(wait_until([&] {
      return fixture.net_total(&NetCounters::write_blocked) > blocked;
    })) << cut;
    client.reset();
    ++resets;
    ASSERT_TRUE(wait_until([&] { return fixture.closed(CloseReason::kReset) == resets; })) << cut;
    EXPECT_GT(fixture.net_total(&NetCounters::bytes_unsent), unsent + kBody / 2) << cut;
  }
  EXPECT_TRUE(fixture.wait_no_connections());
  EXPECT_EQ(fixture.responses(2), resets);
  HttpClient other = fixture.client();
  EXPECT_EQ(other.get("/").body.size(), kBody);
}

TEST(HttpLimits, AHalfClosedClientGetsItsAnswers) {
  Fine fixture;
  HttpClient client = fixture.client();
  client.send(get_request("/") + get_request("/"));
  client.finish_writing();
  EXPECT_EQ(client.read_reply().status, 200);
  EXPECT_EQ(client.read_reply().status, 200);
  EXPECT_TRUE(client.sees_end());
}

TEST(HttpLimits, AHalfClosedClientIsToldThatItsRequestIsNotWhole) {
  Fine fixture;
  for (const char* part :
       {"GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na"}) {
    HttpClient client = fixture.client();
    client.send(part);
    client.finish_writing();
    EXPECT_EQ(client.read_reply().status, 400) << part;
    EXPECT_TRUE(client.sees_end());
  }
  HttpClient silent = fixture.client();
  silent.finish_writing();
  EXPECT_TRUE(silent.sees_end());
}

TEST(HttpLimits, AHalfClosedClientWaitsForALateAnswer) {
  HttpFixture fixture;
  std::atomic<bool> asked{false};
  std::optional<HttpResponder> kept;
  fixture.server().handle([&](const HttpRequest&, HttpResponder responder) {
    kept.emplace(std::move(responder));
    asked = true;
  });
  fixture.start();
  HttpClient client = fixture.client();
  client.send(get_request("/"));
  client.finish_writing();
  ASSERT_TRUE(wait_until([&] { return asked.load(); }));
  fixture.run([&] { kept->respond(HttpResponse::text("late")); });
  EXPECT_EQ(client.read_reply().body, "late");
  EXPECT_TRUE(client.sees_end());
}

TEST(HttpLimits, ALateAnswerToAGoneClientIsAnError) {
  HttpFixture fixture;
  std::atomic<bool> asked{false};
  std::optional<HttpResponder> kept;
  fixture.server().handle([&](const HttpRequest&, HttpResponder responder) {
    kept.emplace(std::move(responder));
    asked = true;
  });
  fixture.start();
  HttpClient client = fixture.client();
  client.send(get_request("/"));
  ASSERT_TRUE(wait_until([&] { return asked.load(); }));
  client.reset();
  ASSERT_TRUE(fixture.wait_no_connections());
  fixture.run([&] {
    EXPECT_FALSE(kept->is_open());
    EXPECT_EQ(kept->respond(HttpResponse::text("late")).error().number(), EPIPE);
    kept.reset();
  });
}

TEST(HttpLimits, StoppingClosesIdleConnectionsAtOnceAndFinishesTheOthers) {
  HttpFixture fixture;
  std::atomic<bool> asked{false};
  std::optional<HttpResponder> kept;
  fixture.server().handle("/idle", [](const HttpRequest&, HttpResponder responder) {
    responder.respond(HttpResponse::text("idle"));
  });
  fixture.server().handle([&](const HttpRequest&, HttpResponder responder) {
    kept.emplace(std::move(responder));
    asked = true;
  });
  fixture.start();
  HttpClient idle = fixture.client();
  EXPECT_EQ(idle.get("/idle").body, "idle");
  HttpClient busy = fixture.client();
  busy.send(get_request("/busy"));
  ASSERT_TRUE(wait_until([&] { return asked.load(); }));
  std::promise<StopReport> stopped;
  fixture.server().stop(10s, [&](const StopReport& report) { stopped.set_value(report); });
  EXPECT_TRUE(idle.sees_end());
  fixture.run([&] { kept->respond(HttpResponse::text("done")); });
  const Reply reply = busy.read_reply();
  EXPECT_EQ(reply.body, "done");
  EXPECT_EQ(reply.header("Connection"), "close");
  EXPECT_TRUE(busy.sees_end());
  EXPECT_EQ(stopped.get_future().get().cut, 0u);
}

TEST(HttpLimits, DestructionWithRequestsInProgress) {
  auto fixture = std::make_unique<HttpFixture>();
  std::atomic<int> asked{0};
  std::mutex mutex;
  std::vector<HttpResponder> kept;
  fixture->server().handle([&](const HttpRequest&, HttpResponder responder) {
    const std::lock_guard lock(mutex);
    kept.push_back(std::move(responder));
    ++asked;
  });
  fixture->start();
  std::vector<HttpClient> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(fixture->client());
    clients.back().send(get_request("/"));
  }
  ASSERT_TRUE(wait_until([&] { return asked == 5; }));
  fixture->destroy();
  for (HttpResponder& responder : kept) {
    EXPECT_TRUE(responder.respond(HttpResponse::text("late"))) << "told the loop, which knows";
  }
  kept.clear();
  fixture.reset();
}

}  // namespace
}  // namespace leat::http
