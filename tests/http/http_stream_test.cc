// Responses whose content comes bit by bit.
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

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

HttpResponse head() {
  HttpResponse response(200);
  response.header("Content-Type", "text/plain");
  return response;
}

TEST(HttpStream, UnknownLengthsAreChunked) {
  HttpFixture fixture;
  fixture.server().handle([](const HttpRequest&, HttpResponder responder) {
    HttpStream stream = responder.stream(head()).value();
    EXPECT_TRUE(stream.write("hello "));
    EXPECT_TRUE(stream.write(""));
    EXPECT_TRUE(stream.write(std::string(300, 'x')));
    EXPECT_TRUE(stream.end());
  });
  fixture.start();
  HttpClient client = fixture.client();
  client.send(get_request("/") + get_request("/"));
  for (int i = 0; i < 2; ++i) {
    const Reply reply = client.read_reply();
    EXPECT_TRUE(reply.complete && reply.chunked);
    EXPECT_EQ(reply.body, "hello " + std::string(300, 'x'));
    EXPECT_EQ(reply.header("Content-Length"), "<none>");
  }
}

TEST(HttpStream, KnownLengthsAreSaid) {
  HttpFixture fixture;
  fixture.server().handle([](const HttpRequest&, HttpResponder responder) {
    HttpStream stream = responder.stream(head(), 11).value();
    stream.write("hello ");
    stream.write("world");
    EXPECT_TRUE(stream.end());
  });
  fixture.start();
  HttpClient client = fixture.client();
  const Reply reply = client.get("/");
  EXPECT_EQ(reply.body, "hello world");
  EXPECT_EQ(reply.header("Content-Length"), "11");
  EXPECT_EQ(client.get("/").body, "hello world");
}

TEST(HttpStream, Http10GetsNoChunks) {
  HttpFixture fixture;
  fixture.server().handle([](const HttpRequest&, HttpResponder responder) {
    HttpStream stream = responder.stream(head()).value();
    stream.write("hello");
    stream.end();
  });
  fixture.start();
  HttpClient client = fixture.client();
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const Reply reply = client.read_reply();
  EXPECT_EQ(reply.header("Transfer-Encoding"), "<none>");
  EXPECT_EQ(reply.header("Connection"), "close");
  EXPECT_EQ(reply.body, "hello");
}

TEST(HttpStream, HeadGetsNoContent) {
  HttpFixture fixture;
  fixture.server().handle([](const HttpRequest& request, HttpResponder responder) {
    const bool known = request.path() == "/known";
    HttpStream stream =
        responder.stream(head(), known ? std::optional<std::uint64_t>(5) : std::nullopt).value();
    if (!known) stream.write("hello");
    EXPECT_TRUE(stream.end());
  });
  fixture.start();
  HttpClient client = fixture.client();
  client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /known HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_reply(true).header("Transfer-Encoding"), "chunked");
  EXPECT_EQ(client.read_reply(true).header("Content-Length"), "5");
}

TEST(HttpStream, MoreOrLessThanPromisedCutsTheConnection) {
  HttpFixture fixture;
  fixture.server().handle([](const HttpRequest& request, HttpResponder responder) {
    HttpStream stream = responder.stream(head(), 3).value();
    if (request.path() == "/more") {
      EXPECT_EQ(stream.write("hello").error().number(), EINVAL);
      EXPECT_FALSE(stream.write("x"));
    } else {
      stream.write("x");
      EXPECT_EQ(stream.end().error().number(), EINVAL);
    }
  });
  fixture.start();
  for (const char* path : {"/more", "/less"}) {
    HttpClient client = fixture.client();
    const Reply reply = client.get(path);
    EXPECT_FALSE(reply.complete) << path;
    EXPECT_TRUE(client.sees_end());
  }
}

TEST(HttpStream, OneThatIsDroppedIsSeenToBeIncomplete) {
  HttpFixture fixture;
  fixture.server().handle([](const HttpRequest&, HttpResponder responder) {
    HttpStream stream = responder.stream(head()).value();
    stream.write("hello");
    std::optional<HttpStream> other(std::move(stream));
    std::optional<HttpStream>& same = other;
    other = std::move(same);  // nothing happens
  });
  fixture.start();
  HttpClient client = fixture.client();
  const Reply reply = client.get("/");
  EXPECT_EQ(reply.body, "hello");
  EXPECT_FALSE(reply.complete);
  EXPECT_TRUE(client.sees_end());
}

TEST(HttpStream, RefusesHeadsThatCannotHaveContent) {
  HttpFixture fixture;
  fixture.server().handle([](const HttpRequest& request, HttpResponder responder) {
    HttpResponse response(request.path() == "/204" ? 204 : 200);
    if (request.path() == "/bad") response.header("a b", "c");
    if (request.path() == "/body") response.body("text");
    EXPECT_EQ(responder.stream(std::move(response)).error().number(), EINVAL);
  });
  fixture.start();
  HttpClient client = fixture.client();
  for (const char* path : {"/204", "/bad", "/body"}) EXPECT_EQ(client.get(path).status, 500);
}

/// Sends `total` bytes, never more than the connection wants.
struct Producer : std::enable_shared_from_this<Producer> {
  Producer(HttpStream stream_in, std::size_t total_in)
      : stream(std::move(stream_in)), left(total_in) {}
  void pump() {
    while (left > 0 && !stream->is_full()) {
      const std::size_t size = std::min<std::size_t>(left, 10'000);
      stream->write(std::string(size, 'x'));
      left -= size;
    }
    if (left == 0) return void(stream->end());
    ++waits;
    stream->on_drained([self = shared_from_this()] { self->pump(); });
  }
  std::optional<HttpStream> stream;
  std::size_t left;
  std::atomic<int> waits{0};
};

TEST(HttpStream, BackpressureBoundsWhatWaits) {
  TcpServerOptions tcp;
  tcp.connection.high_water_mark = 100'000;
  tcp.connection.low_water_mark = 20'000;
  tcp.connection.max_buffered = 200'000;
  HttpFixture fixture({}, tcp);
  std::shared_ptr<Producer> producer;
  fixture.server().handle([&](const HttpRequest&, HttpResponder responder) {
    producer = std::make_shared<Producer>(responder.stream(head()).value(), 20'000'000);
    producer->pump();
  });
  fixture.start();
  HttpClient client = fixture.client();
  const Reply reply = client.get("/");
  EXPECT_TRUE(reply.complete);
  EXPECT_EQ(reply.body.size(), 20'000'000u);
  EXPECT_GT(producer->waits, 0);
  fixture.destroy();
}

TEST(HttpStream, OnDrainedComesAlsoIfItIsNotFull) {
  HttpFixture fixture;
  std::optional<HttpStream> kept;
  fixture.server().handle([&](const HttpRequest&, HttpResponder responder) {
    kept.emplace(responder.stream(head()).value());
  });
  fixture.start();
  HttpClient client = fixture.client();
  client.send(get_request("/"));
  ASSERT_EQ(client.read(9), "HTTP/1.1 ");
  std::atomic<bool> in_call{true};
  fixture.run([&] {
    kept->on_drained([&] {
      EXPECT_FALSE(in_call);
      kept->write("drained");
      kept->end();
    });
    in_call = false;
  });
  std::string rest;
  while (!rest.ends_with("7\r\ndrained\r\n0\r\n\r\n")) {
    const std::string more = client.read(1);
    ASSERT_FALSE(more.empty()) << rest;
    rest += more;
  }
}

TEST(HttpStream, TellsThatTheConnectionIsGone) {
  HttpFixture fixture;
  std::optional<HttpStream> kept;
  std::atomic<bool> closed{false};
  fixture.server().handle([&](const HttpRequest&, HttpResponder responder) {
    kept.emplace(responder.stream(head()).value());
    kept->on_closed([&] { closed = true; });
  });
  fixture.start();
  HttpClient client = fixture.client();
  client.send(get_request("/"));
  ASSERT_EQ(client.read(9), "HTTP/1.1 ");
  client.reset();
  EXPECT_TRUE(wait_until([&] { return closed.load(); }));
  fixture.run([&] {
    EXPECT_EQ(kept->write("x").error().number(), EPIPE);
    EXPECT_FALSE(kept->is_full());
    kept->on_drained([] { ADD_FAILURE(); });
    kept->on_closed([] { ADD_FAILURE(); });
    EXPECT_FALSE(kept->end());
  });
}

}  // namespace
}  // namespace leat::http
