// Handlers that give up half-way, throw at a bad moment, or say what is not so.
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "leat/http/http_server.h"

#include "support/http_fixture.h"

namespace leat::http {
namespace {

using namespace std::chrono_literals;
using testing::get_request;
using testing::HttpClient;
using testing::HttpFixture;
using testing::Reply;
using testing::wait_until;

HttpResponse stream_head() {
  HttpResponse head(200);
  head.header("Content-Type", "text/plain");
  return head;
}

TEST(HttpFaults, AStreamDroppedInALaterHandlerLeavesItsRequestReadable) {
  HttpFixture fixture;
  std::string seen;
  fixture.server().handle([&](const HttpRequest& request, HttpResponder responder) {
    if (request.path() == "/later") {
      auto kept = std::make_shared<HttpResponder>(std::move(responder));
      fixture.base().run_after(10ms, [kept] { kept->respond(HttpResponse::text("later")); });
      return;
    }
    {
      HttpStream stream = responder.stream(stream_head()).value();
      stream.write("half");
    }
    // Not from inside on_message, for the first answer came by a timer.
    seen = std::string(request.path()) + " " + std::string(request.header("X-Mark").value_or(""));
  });
  fixture.start();
  HttpClient client = fixture.client();
  client.send(get_request("/later") + get_request("/dropped", "X-Mark: here\r\n") +
              get_request("/never"));
  EXPECT_EQ(client.read_reply().body, "later");
  const Reply reply = client.read_reply();
  EXPECT_EQ(reply.body, "half");
  EXPECT_FALSE(reply.complete);
  EXPECT_TRUE(client.sees_end());
  EXPECT_TRUE(fixture.wait_no_connections());
  fixture.run([] {});
  EXPECT_EQ(seen, "/dropped here");
}

TEST(HttpFaults, AStreamBeyondItsLengthInALaterHandlerToo) {
  HttpFixture fixture;
  fixture.server().handle([&](const HttpRequest& request, HttpResponder responder) {
    auto kept = std::make_shared<HttpResponder>(std::move(responder));
    if (request.path() == "/later") {
      fixture.base().run_after(10ms, [kept] { kept->respond(HttpResponse::text("later")); });
      return;
    }
    HttpStream stream = kept->stream(stream_head(), 3).value();
    EXPECT_FALSE(stream.write("four"));
    EXPECT_EQ(request.path(), "/long");
  });
  fixture.start();
  HttpClient client = fixture.client();
  client.send(get_request("/later") + get_request("/long"));
  EXPECT_EQ(client.read_reply().body, "later");
  EXPECT_FALSE(client.read_reply().complete);
  EXPECT_TRUE(client.sees_end());
}

TEST(HttpFaults, AReceiverThatThrowsAtATimeLimitCostsItsConnectionOnly) {
  HttpOptions options;
  options.body_time = 50ms;
  HttpFixture fixture(options);
  fixture.server().handle_upload("/up", [](const HttpRequest&, HttpResponder responder) {
    auto kept = std::make_shared<HttpResponder>(std::move(responder));
    return [kept](std::string_view, UploadState state) {
      if (state == UploadState::kAborted) throw std::runtime_error("no more space");
    };
  });
  fixture.server().handle([](const HttpRequest&, HttpResponder responder) {
    responder.respond(HttpResponse::text("well"));
  });
  fixture.start();
  HttpClient witness = fixture.client();
  EXPECT_EQ(witness.get("/").body, "well");
  HttpClient client = fixture.client();
  client.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx");
  EXPECT_TRUE(wait_until([&] { return fixture.closed(CloseReason::kCallbackException) == 1; }));
  EXPECT_EQ(witness.get("/").body, "well");
}

TEST(HttpFaults, AnUploadsReceiverIsNotCalledFromInsideADroppedStream) {
  HttpFixture fixture;
  bool inside = false;
  bool called_inside = false;
  int aborted = 0;
  fixture.server().handle_upload("/up", [&](const HttpRequest&, HttpResponder responder) {
    auto stream =
        std::make_shared<std::optional<HttpStream>>(responder.stream(stream_head()).value());
    fixture.base().run_after(10ms, [&, stream]() mutable {
      inside = true;
      stream->reset();
      inside = false;
    });
    return [&](std::string_view, UploadState state) {
      if (state != UploadState::kAborted) return;
      ++aborted;
      called_inside = called_inside || inside;
    };
  });
  fixture.start();
  HttpClient client = fixture.client();
  client.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx");
  EXPECT_FALSE(client.read_reply().complete);
  EXPECT_TRUE(fixture.wait_no_connections());
  fixture.run([] {});
  EXPECT_EQ(aborted, 1);
  EXPECT_FALSE(called_inside);
}

TEST(HttpFaults, TheLengthForHeadIsForHeadAlone) {
  HttpFixture fixture;
  fixture.server().handle([](const HttpRequest&, HttpResponder responder) {
    HttpResponse response = HttpResponse::text("short");
    response.content_length(100);
    responder.respond(std::move(response));
  });
  fixture.start();
  HttpClient client = fixture.client();
  client.send(get_request("/") + get_request("/"));
  for (int i = 0; i < 2; ++i) {
    const Reply reply = client.read_reply();
    EXPECT_EQ(reply.header("Content-Length"), "5");
    EXPECT_EQ(reply.body, "short");
  }
  client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_reply(true).header("Content-Length"), "100");
}

}  // namespace
}  // namespace leat::http
