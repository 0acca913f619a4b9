// Bodies in pieces, and clients that wait for 100 (Continue).
#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
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
using testing::wait_until;

const std::string kHead = "PUT /up HTTP/1.1\r\nHost: a\r\n";

/// What a receiver was told, joined: "abc|end" or "abc|aborted".
class Log {
 public:
  void add(std::string_view piece, UploadState state) {
    const std::lock_guard lock(mutex_);
    text_ += piece;
    if (state == UploadState::kEnd) text_ += "|end";
    if (state == UploadState::kAborted) text_ += "|aborted";
    ++calls_;
  }
  [[nodiscard]] std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }
  [[nodiscard]] bool waits_for(const std::string& wanted) const {
    return wait_until([&] { return text() == wanted; });
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
  int calls_ = 0;
};

struct Uploads : HttpFixture {
  explicit Uploads(HttpOptions options = {}) : HttpFixture(options) {
    server().handle_upload("/up", [this](const HttpRequest&, HttpResponder responder) {
      return [this, responder = std::move(responder)](std::string_view piece,
                                                      UploadState state) mutable {
        log.add(piece, state);
        if (state == UploadState::kEnd) responder.respond(HttpResponse::text("thanks"));
      };
    });
    server().handle([](const HttpRequest& request, HttpResponder responder) {
      responder.respond(HttpResponse::text("got " + std::string(request.body())));
    });
    start();
  }
  Log log;
};

TEST(HttpUpload, WithALength) {
  Uploads fixture;
  HttpClient client = fixture.client();
  client.send(kHead + "Content-Length: 6\r\n\r\nabc");
  EXPECT_TRUE(fixture.log.waits_for("abc"));
  client.send("def" + get_request("/"));
  EXPECT_EQ(client.read_reply().body, "thanks");
  EXPECT_EQ(client.read_reply().body, "got ");
  EXPECT_EQ(fixture.log.text(), "abcdef|end");
}

TEST(HttpUpload, Chunked) {
  Uploads fixture;
  HttpClient client = fixture.client();
  client.send(kHead + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\nde");
  EXPECT_TRUE(fixture.log.waits_for("abcde"));
  client.send("f\r\n0\r\nTrailer: x\r\n\r\n");
  EXPECT_EQ(client.read_reply().body, "thanks");
  EXPECT_EQ(fixture.log.text(), "abcdef|end");
}

TEST(HttpUpload, WithoutABodyKeepsTheConnection) {
  Uploads fixture;
  HttpClient client = fixture.client();
  client.send(kHead + "\r\n" + kHead + "Content-Length: 0\r\n\r\n");
  EXPECT_EQ(client.read_reply().header("Connection"), "<none>");
  EXPECT_EQ(client.read_reply().body, "thanks");
  EXPECT_EQ(fixture.log.text(), "|end|end");
}

TEST(HttpUpload, LargeOnesDoNotGather) {
  HttpFixture fixture;
  std::atomic<std::size_t> largest{0};
  fixture.server().handle_upload("/up", [&](const HttpRequest&, HttpResponder responder) {
    return [&, sum = std::size_t{0}, responder = std::move(responder)](std::string_view piece,
                                                                       UploadState state) mutable {
      sum += piece.size();
      largest = std::max(largest.load(), piece.size());
      if (state == UploadState::kEnd) responder.respond(HttpResponse::text(std::to_string(sum)));
    };
  });
  fixture.start();
  HttpClient client = fixture.client();
  const std::size_t size = 20 * 1024 * 1024;
  client.send(kHead + "Content-Length: " + std::to_string(size) + "\r\n\r\n");
  client.send(std::string(size, 'x'));
  EXPECT_EQ(client.read_reply().body, std::to_string(size));
  EXPECT_LE(largest, 64u * 1024);
}

TEST(HttpUpload, AnAbortIsTold) {
  Uploads fixture;
  HttpClient client = fixture.client();
  client.send(kHead + "Content-Length: 6\r\n\r\nabc");
  ASSERT_TRUE(fixture.log.waits_for("abc"));
  client.reset();
  EXPECT_TRUE(fixture.log.waits_for("abc|aborted"));
}

TEST(HttpUpload, AMalformedBodyIsAnsweredByTheServer) {
  Uploads fixture;
  HttpClient client = fixture.client();
  client.send(kHead + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX");
  EXPECT_EQ(client.read_reply().status, 400);
  EXPECT_TRUE(client.sees_end());
  EXPECT_EQ(fixture.log.text(), "abc|aborted");
}

TEST(HttpUpload, LimitsItsSize) {
  Uploads fixture({.max_upload_bytes = 5});
  HttpClient announced = fixture.client();
  announced.send(kHead + "Content-Length: 6\r\n\r\n");
  EXPECT_EQ(announced.read_reply().status, 413);
  EXPECT_EQ(fixture.log.text(), "");
  HttpClient chunked = fixture.client();
  chunked.send(kHead + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  ASSERT_TRUE(fixture.log.waits_for("abc"));
  chunked.send("3\r\ndef\r\n");
  EXPECT_EQ(chunked.read_reply().status, 413);
  EXPECT_TRUE(chunked.sees_end());
  EXPECT_EQ(fixture.log.text(), "abc|aborted");
}

TEST(HttpUpload, AnEarlyAnswerEndsTheConnection) {
  HttpFixture fixture;
  fixture.server().handle_upload("/up", [](const HttpRequest&, HttpResponder responder) {
    responder.respond(HttpResponse::text("no", 403));
    return UploadReceiver();
  });
  fixture.start();
  HttpClient client = fixture.client();
  client.send(kHead + "Content-Length: 1000000\r\n\r\n" + std::string(1000, 'x'));
  const auto reply = client.read_reply();
  EXPECT_EQ(reply.status, 403);
  EXPECT_EQ(reply.header("Connection"), "close");
  EXPECT_TRUE(client.sees_end());
}

TEST(HttpUpload, AnEarlyAnswerFromTheReceiverAbortsIt) {
  HttpFixture fixture;
  Log log;
  fixture.server().handle_upload("/up", [&](const HttpRequest&, HttpResponder responder) {
    return [&, responder = std::optional(std::move(responder))](std::string_view piece,
                                                                UploadState state) mutable {
      log.add(piece, state);
      if (responder) responder->respond(HttpResponse::text("enough", 400));
      responder.reset();
    };
  });
  fixture.start();
  HttpClient client = fixture.client();
  client.send(kHead + "Content-Length: 1000\r\n\r\nabc");
  EXPECT_EQ(client.read_reply().body, "enough");
  EXPECT_TRUE(client.sees_end());
  EXPECT_TRUE(log.waits_for("abc|aborted"));
}

TEST(HttpUpload, WithoutAReceiverTheBodyIsDropped) {
  HttpFixture fixture;
  std::optional<HttpResponder> kept;
  fixture.server().handle_upload("/up", [&](const HttpRequest&, HttpResponder responder) {
    kept.emplace(std::move(responder));
    return UploadReceiver();
  });
  fixture.start();
  HttpClient client = fixture.client();
  client.send(kHead + "Content-Length: 3\r\n\r\nabc");
  ASSERT_TRUE(wait_until([&] { return fixture.net_total(&NetCounters::bytes_received) > 40; }));
  fixture.run([&] { kept->respond(HttpResponse::text("dropped")); });
  EXPECT_EQ(client.read_reply().body, "dropped");
}

TEST(HttpUpload, PauseHoldsPiecesBack) {
  HttpFixture fixture({.body_time = 50ms});
  Log log;
  std::atomic<HttpResponder*> at{nullptr};
  fixture.server().handle_upload("/up", [&](const HttpRequest&, HttpResponder responder) {
    auto kept = std::make_shared<HttpResponder>(std::move(responder));
    at = kept.get();
    return [&, kept](std::string_view piece, UploadState state) {
      log.add(piece, state);
      if (state == UploadState::kMore) kept->pause_upload();
      if (state == UploadState::kEnd) kept->respond(HttpResponse::text("thanks"));
    };
  });
  fixture.start();
  HttpClient client = fixture.client();
  client.send(kHead + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
  ASSERT_TRUE(log.waits_for("abc"));
  // The time that it is held back for does not count against the client.
  std::this_thread::sleep_for(150ms);
  EXPECT_EQ(log.text(), "abc");
  fixture.run([&] { at.load()->resume_upload(); });
  ASSERT_TRUE(log.waits_for("abcdef"));
  fixture.run([&] { at.load()->resume_upload(); });
  EXPECT_EQ(client.read_reply().body, "thanks");
}

TEST(HttpContinue, IsSentWhenTheBodyIsWanted) {
  Uploads fixture;
  for (const char* path : {"/up", "/collected"}) {
    HttpClient client = fixture.client();
    client.send("PUT " + std::string(path) +
                " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    EXPECT_EQ(client.read_reply().status, 100);
    client.send("abc");
    EXPECT_EQ(client.read_reply().status, 200);
  }
}

TEST(HttpContinue, IsNotSentIfTheBodyCameAnyway) {
  Uploads fixture;
  HttpClient client = fixture.client();
  client.send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(client.read_reply().body, "got abc");
}

TEST(HttpContinue, IsNotSentIfTheBodyIsNotWanted) {
  Uploads fixture;
  HttpClient client = fixture.client();
  client.send(
      "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n");
  EXPECT_EQ(client.read_reply().status, 413);
  EXPECT_TRUE(client.sees_end());
}

TEST(HttpContinue, IsNotSentToHttp10) {  // RFC 9110, 10.1.1
  Uploads fixture;
  HttpClient client = fixture.client();
  client.send("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  client.send("abc");
  EXPECT_EQ(client.read_reply().body, "got abc");
}

}  // namespace
}  // namespace leat::http
