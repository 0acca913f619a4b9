// Requests that are well formed, and servers that would lose step all the same: bodies nobody
// reads, bodies that look like requests, responses in the wrong order.
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/smuggling_probe.h"

namespace leat::http {
namespace {

using namespace std::string_literals;
using testing::expect_refused;
using testing::expect_served;
using testing::get_request;
using testing::Hostile;
using testing::HttpClient;
using testing::HttpFixture;
using testing::kNext;
using testing::kSmuggled;
using testing::Lines;
using testing::Reply;
using testing::SmugglingProbe;

const std::string kSmuggledLength =
    "Content-Length: " + std::to_string(testing::kSmuggled.size()) + "\r\n";
const std::string kSmuggledChunk = "26\r\n" + std::string(kSmuggled) + "\r\n0\r\n\r\n";
const std::string kServedNext = "GET /next host=test body=";

std::string request(std::string_view method, std::string_view fields, std::string_view body = {}) {
  std::string out(method);
  out.append(" / HTTP/1.1\r\nHost: test\r\n").append(fields).append("\r\n").append(body);
  return out;
}

// RFC 9110, 9.3: content has no meaning in GET, HEAD, DELETE, ...; it has a length all the same,
// and a server that skips it serves it as the next request (0.CL, CL.0).
TEST(RequestSmuggling, BodiesThatLookLikeRequests) {
  SmugglingProbe probe;
  for (const std::string method : {"GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"}) {
    expect_served(probe,
                  {{"length", request(method, kSmuggledLength, kSmuggled)},
                   {"chunks", request(method, "Transfer-Encoding: chunked\r\n", kSmuggledChunk)}},
                  method + " / host=test body=" + std::string(kSmuggled));
    // RFC 9112, 6.3 (7.): without a length there is no content.
    expect_served(probe, {{"no length", request(method, "")}}, method + " / host=test body=");
  }
  expect_served(probe,
                {{"HTTP/1.0", "POST / HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\n" +
                                  kSmuggledLength + "\r\n" + std::string(kSmuggled)}},
                "POST / host=test body=" + std::string(kSmuggled));
}

TEST(RequestSmuggling, HeadWithABody) {  // RFC 9110, 9.3.2
  SmugglingProbe probe;
  for (const std::string& fields : {kSmuggledLength, "Transfer-Encoding: chunked\r\n"s}) {
    HttpClient client = probe.client();
    client.send(request("HEAD", fields, fields == kSmuggledLength ? kSmuggled : kSmuggledChunk));
    client.send(kNext);
    const Reply head = client.read_reply(true);
    EXPECT_EQ(head.status, 200);
    EXPECT_NE(head.header("Content-Length"), "<none>");
    EXPECT_EQ(client.read_reply().body, kServedNext);
    EXPECT_TRUE(client.sees_end());
  }
}

// RFC 9110, 9.3.2: no content in answer to HEAD, also if the answer is an error; content would be
// what the next response is read from.
TEST(RequestSmuggling, HeadThatIsRefused) {
  SmugglingProbe probe;
  for (const std::string& bytes :
       {request("HEAD", "Content-Length: x\r\n"), request("HEAD", "Host: evil\r\n"),
        request("HEAD", "Transfer-Encoding: x, chunked\r\n"), "HEAD / HTTP/1.1\r\n\r\n"s,
        request("HEAD", "Transfer-Encoding: chunked\r\n", "x\r\n"),
        request("HEAD", "Expect: x\r\n")}) {
    HttpClient client = probe.client();
    client.send(bytes + std::string(kSmuggled));
    const Reply reply = client.read_reply(true);
    EXPECT_GE(reply.status, 400) << bytes;
    EXPECT_EQ(reply.header("Connection"), "close") << bytes;
    EXPECT_TRUE(client.sees_end()) << bytes;
  }
}

// RFC 9112, 9.6: nothing behind the request that closes is served.
TEST(RequestSmuggling, RequestsBehindTheLastOne) {
  SmugglingProbe probe;
  for (const std::string& bytes :
       {request("GET", "Connection: close\r\n"), request("GET", "Connection: CLOSE\r\n"),
        request("GET", "Connection: keep-alive, close\r\n"),
        request("GET", "Connection: close\r\nConnection: keep-alive\r\n"),
        request("GET", "Connection: close\r\nContent-Length: 0\r\n"),
        "GET / HTTP/1.0\r\nHost: test\r\n\r\n"s,
        "GET / HTTP/1.0\r\nHost: test\r\nConnection: keep-alive, close\r\n\r\n"s}) {
    const Lines expected = {"GET / host=test body="};
    EXPECT_EQ(probe.feed(bytes + std::string(kSmuggled)), expected) << bytes;
    EXPECT_EQ(probe.feed(bytes + std::string(kSmuggled), SmugglingProbe::Feed::kBytewise), expected)
        << bytes;
  }
  SmugglingProbe once(HttpOptions{.max_requests_per_connection = 1});
  EXPECT_EQ(once.feed(request("GET", "") + std::string(kSmuggled)), Lines{"GET / host=test body="});
}

// RFC 9112, 6.3 and 8: what follows belongs to the body, and a body that is cut short is no
// request.
TEST(RequestSmuggling, RequestsInsideABodyThatNeverEnds) {
  SmugglingProbe probe;
  for (const std::string& bytes :
       {request("POST", "Content-Length: 1000\r\n", "hello"),
        request("POST", "Transfer-Encoding: chunked\r\n", "3e8\r\nhello"),
        request("POST", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n3e8\r\n"),
        "GET / HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\nContent-Length: 99\r\n\r\n"s}) {
    EXPECT_EQ(probe.feed(bytes + std::string(kSmuggled), SmugglingProbe::Feed::kWhole, true),
              Lines{"400"})
        << bytes;
  }
}

/// A server with handlers that do not read what a request brings.
std::unique_ptr<HttpFixture> unread_bodies() {
  auto fixture = std::make_unique<HttpFixture>(HttpOptions{.max_body_bytes = 16});
  fixture->server().handle("/next", [](const HttpRequest&, HttpResponder responder) {
    responder.respond(HttpResponse::text("next"));
  });
  fixture->server().handle("/smuggled", [](const HttpRequest&, HttpResponder responder) {
    responder.respond(HttpResponse::text("smuggled"));
  });
  fixture->server().handle("/small", [](const HttpRequest&, HttpResponder responder) {
    responder.respond(HttpResponse::text("small"));
  });
  fixture->server().handle_upload("/early", [](const HttpRequest&, HttpResponder responder) {
    responder.respond(HttpResponse::text("early"));
    return UploadReceiver();
  });
  fixture->server().handle_upload("/late", [](const HttpRequest&, HttpResponder responder) {
    return [responder = std::move(responder)](std::string_view, UploadState state) mutable {
      if (state == UploadState::kMore) responder.respond(HttpResponse::text("late"));
    };
  });
  fixture->start();
  return fixture;
}

// Whoever answers without having read the body must close (RFC 9112, 9.6), or the body is served.
TEST(RequestSmuggling, BodiesThatNobodyReads) {
  const auto fixture = unread_bodies();
  struct Row {
    const char* target;
    int status;
  };
  for (const Row row : {Row{"/none", 404}, Row{"/early", 200}, Row{"/small", 413}}) {
    for (const std::string& fields : {kSmuggledLength, "Transfer-Encoding: chunked\r\n"s,
                                      kSmuggledLength + "Expect: 100-continue\r\n"}) {
      SCOPED_TRACE(std::string(row.target) + " " + fields);
      const bool chunked = fields.starts_with('T');
      std::string head = "POST " + std::string(row.target) + " HTTP/1.1\r\nHost: test\r\n";
      head.append(fields).append("\r\n");
      const std::string body = chunked ? kSmuggledChunk : std::string(kSmuggled);
      HttpClient client = fixture->client();
      client.send(head + body + std::string(kNext));
      const Reply reply = client.read_reply();
      EXPECT_EQ(reply.status, row.status);
      EXPECT_EQ(reply.header("Connection"), "close");
      EXPECT_TRUE(client.sees_end());
      if (row.status == 413 && chunked) continue;  // the head does not say how much it is
      // The body comes when the answer has been sent.
      HttpClient waits = fixture->client();
      waits.send(head);
      EXPECT_EQ(waits.read_reply().status, row.status);
      waits.send(body + std::string(kNext));
      EXPECT_TRUE(waits.sees_end());
    }
  }
}

TEST(RequestSmuggling, AnswersInTheMiddleOfABodyClose) {
  const auto fixture = unread_bodies();
  HttpClient client = fixture->client();
  client.send("POST /late HTTP/1.1\r\nHost: test\r\n" + kSmuggledLength + "\r\nGET");
  const Reply reply = client.read_reply();
  EXPECT_EQ(reply.body, "late");
  EXPECT_EQ(reply.header("Connection"), "close");
  client.send(kSmuggled.substr(3));
  client.send(kNext);
  EXPECT_TRUE(client.sees_end());
}

// RFC 9110, 10.1.1.
TEST(RequestSmuggling, Expectations) {
  SmugglingProbe probe;
  expect_served(probe,
                {{"no body to wait for", request("GET", "Expect: 100-continue\r\n")},
                 {"an empty body", request("GET", "Expect: 100-continue\r\nContent-Length: 0\r\n")},
                 {"HTTP/1.0",
                  "GET / HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\n"
                  "Expect: 100-continue\r\n\r\n"}},
                "GET / host=test body=");
  expect_refused(
      probe,
      {{"unknown", request("POST", "Expect: x\r\n" + kSmuggledLength), 417},
       {"one unknown", request("POST", "Expect: 100-continue, x\r\n" + kSmuggledLength), 417},
       {"twice", request("POST", "Expect: 100-continue\r\nExpect: y\r\n" + kSmuggledLength), 417},
       {"in quotes", request("POST", "Expect: \"100-continue\"\r\n" + kSmuggledLength), 417},
       {"space", request("POST", "Expect : 100-continue\r\n" + kSmuggledLength)},
       {"folded", request("POST", "Expect:\r\n 100-continue\r\n" + kSmuggledLength)}},
      true);
  // The client does not wait; no 100 then, or one, and no other request in the body.
  const std::string served = "POST / host=test body=" + std::string(kSmuggled);
  for (const std::string& fields : {"Expect: 100-continue\r\n"s, "Expect: 100-CONTINUE\r\n"s,
                                    "Expect: 100-continue, 100-continue\r\n"s,
                                    "Expect: 100-continue\r\nExpect: 100-continue\r\n"s}) {
    const std::string bytes =
        request("POST", fields + kSmuggledLength, kSmuggled) + std::string(kNext);
    EXPECT_EQ(probe.feed(bytes), (Lines{served, kServedNext})) << fields;
    EXPECT_EQ(probe.feed(bytes, SmugglingProbe::Feed::kBytewise),
              (Lines{"100", served, kServedNext}))
        << fields;
  }
}

TEST(RequestSmuggling, UpgradesAreNotTaken) {  // RFC 9110, 7.8
  SmugglingProbe probe;
  for (const std::string& fields :
       {"Connection: Upgrade\r\nUpgrade: websocket\r\n"s,
        "Connection: Upgrade\r\nUpgrade: h2c\r\n"s,
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"s,
        "Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.0\r\n"s, "Upgrade: websocket\r\n"s}) {
    expect_served(probe, {{"no body", request("GET", fields)}}, "GET / host=test body=");
    expect_served(
        probe,
        {{"length", request("GET", fields + kSmuggledLength, kSmuggled)},
         {"chunks", request("GET", fields + "Transfer-Encoding: chunked\r\n", kSmuggledChunk)}},
        "GET / host=test body=" + std::string(kSmuggled));
  }
}

// Where the bytes are cut makes no difference.
TEST(RequestSmuggling, EverySplitOfAPipeline) {
  SmugglingProbe probe;
  const std::string pipeline = request("POST", "Transfer-Encoding: chunked\r\n",
                                       "3;x=\"y\"\r\nGET\r\n2\r\n /\r\n0\r\nT: u\r\n\r\n") +
                               request("PUT", "Content-Length: 5\r\n", "0\r\n\r\n") + "\r\n" +
                               request("POST", kSmuggledLength, kSmuggled) + std::string(kNext);
  const Lines expected = {"POST / host=test body=GET /", "PUT / host=test body=0\r\n\r\n",
                          "POST / host=test body=" + std::string(kSmuggled), kServedNext};
  for (std::size_t cut = 0; cut <= pipeline.size(); ++cut) {
    EXPECT_EQ(probe.feed_cut(pipeline, cut), expected) << cut;
  }
  EXPECT_EQ(probe.feed(pipeline, SmugglingProbe::Feed::kBytewise), expected);
}

TEST(RequestSmuggling, EverySplitOfAnAttack) {
  SmugglingProbe probe;
  const std::string first = request("GET", "");
  for (const std::string& attack :
       {request("POST", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        request("POST", "Transfer-Encoding: chunked\r\n", "5;a\nhello\r\n0\r\n\r\n"),
        request("POST", "Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"),
        request("POST", "Content-Length: 5\r\nContent-Length: 5\r\n", "0\r\n\r\n")}) {
    const std::string bytes = first + attack + std::string(kSmuggled);
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      EXPECT_EQ(probe.feed_cut(bytes, cut), (Lines{"GET / host=test body=", "400"})) << cut;
    }
  }
}

// RFC 9112, 9.3.2: responses in the order of the requests, however late their handlers answer.
TEST(RequestSmuggling, ResponsesKeepTheirOrder) {
  std::vector<std::thread> threads;
  HttpFixture fixture;
  fixture.server().handle([&](const HttpRequest& request, HttpResponder responder) {
    const std::string path(request.path());
    if (path != "/slow") return void(responder.respond(HttpResponse::text(path)));
    threads.emplace_back([path, responder = std::move(responder)]() mutable {
      std::this_thread::yield();
      responder.respond(HttpResponse::text(path));
    });
  });
  fixture.start();
  HttpClient client = fixture.client();
  client.send(get_request("/slow") + get_request("/a") +
              "POST /slow HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc" +
              get_request("/b") + "GET / HTTP/1.1\r\nHost : x\r\n\r\n" + std::string(kSmuggled));
  for (const char* path : {"/slow", "/a", "/slow", "/b"}) {
    EXPECT_EQ(client.read_reply().body, path);
  }
  EXPECT_EQ(client.read_reply().status, 400);
  EXPECT_TRUE(client.sees_end());
  for (std::thread& thread : threads) thread.join();
}

// An interim status would leave the client waiting, and give it the next response for this one.
TEST(RequestSmuggling, HandlersCannotAnswerWithAnInterimStatus) {  // RFC 9110, 15.2
  for (const int status : {100, 101, 103, 0, 99, 600, 1000, -200}) {
    HttpFixture fixture;
    fixture.server().handle([status](const HttpRequest&, HttpResponder responder) {
      responder.respond(HttpResponse::text("text", status));
    });
    fixture.start();
    HttpClient client = fixture.client();
    const Reply reply = client.get("/");
    EXPECT_EQ(reply.status, 500) << status;
    EXPECT_EQ(reply.body, "500 Internal Server Error\n") << status;
  }
}

}  // namespace
}  // namespace leat::http
