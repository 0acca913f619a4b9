// Requests and responses over real connections.
#include "leat/http/http_server.h"

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/http_fixture.h"

namespace leat::http {
namespace {

using testing::get_request;
using testing::HttpClient;
using testing::HttpFixture;
using testing::Reply;

/// Answers with what it has got.
void describe(const HttpRequest& request, HttpResponder responder) {
  std::string text(request.method_name());
  text.append(" ").append(request.path()).append("?").append(request.query());
  text.append(" host=").append(request.host());
  text.append(" 1.").append(std::to_string(request.minor_version()));
  text.append(" body=").append(request.body());
  responder.respond(HttpResponse::text(text));
}

struct Described : HttpFixture {
  explicit Described(HttpOptions options = {}, TcpServerOptions tcp = {})
      : HttpFixture(options, std::move(tcp)) {
    server().handle(describe);
    start();
  }
};

TEST(HttpServer, Answers) {
  Described fixture;
  HttpClient client = fixture.client();
  const Reply reply = client.get("/a%20b?x=1");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "GET /a%20b?x=1 host=test 1.1 body=");
  EXPECT_EQ(reply.header("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(reply.header("Connection"), "<none>");
  EXPECT_TRUE(Timestamp::parse_http_date(reply.header("Date")));
  EXPECT_EQ(fixture.total(&HttpCounters::requests), 1u);
}

TEST(HttpServer, ItsConnectionsStayOnTheirLoops) {
  Described fixture({}, {.loops = 2});
  HttpClient client = fixture.client();
  EXPECT_EQ(client.get("/").status, 200);
  std::atomic<int> refused{0};
  fixture.server().tcp().for_each_connection([&](const TcpConnectionPtr& connection) {
    for (EventLoop* const loop : fixture.server().tcp().loops()) {
      const Result<void> moving = connection->move_to(*loop);
      ASSERT_FALSE(moving);
      EXPECT_EQ(moving.error().number(), ENOTSUP);
      EXPECT_EQ(moving.error().context(), "move_to: it has state on its loop");
      ++refused;
    }
  });
  EXPECT_TRUE(testing::wait_until([&] { return refused == 2; }));
  EXPECT_EQ(client.get("/").status, 200);
}

TEST(HttpServer, KeepsTheConnection) {
  Described fixture;
  HttpClient client = fixture.client();
  for (int i = 0; i < 10; ++i) {
    const std::string path = "/" + std::to_string(i);
    EXPECT_EQ(client.get(path).body, "GET " + path + "? host=test 1.1 body=");
  }
  EXPECT_EQ(fixture.net_total(&NetCounters::accepted), 1u);
}

TEST(HttpServer, ClosesWhenAskedTo) {
  Described fixture;
  HttpClient client = fixture.client();
  const Reply reply = client.get("/", "Connection: close\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("Connection"), "close");
  EXPECT_TRUE(client.sees_end());
}

TEST(HttpServer, KeepsHttp10OnlyIfAskedTo) {
  Described fixture;
  HttpClient keeps = fixture.client();
  for (int i = 0; i < 2; ++i) {
    keeps.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const Reply reply = keeps.read_reply();
    EXPECT_EQ(reply.body, "GET /? host= 1.0 body=");
    EXPECT_EQ(reply.header("Connection"), "keep-alive");
  }
  HttpClient closes = fixture.client();
  closes.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(closes.read_reply().header("Connection"), "close");
  EXPECT_TRUE(closes.sees_end());
}

TEST(HttpServer, AnswersPipelinedRequestsInOrderAndInOneWrite) {
  Described fixture;
  HttpClient client = fixture.client();
  std::string all;
  for (int i = 0; i < 16; ++i) all += get_request("/" + std::to_string(i));
  client.send(all);
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(client.read_reply().body, "GET /" + std::to_string(i) + "? host=test 1.1 body=");
  }
  // The client may see the bytes before they are counted.
  EXPECT_TRUE(testing::wait_until([&] {
    return fixture.net_total(&NetCounters::writes) >= fixture.net_total(&NetCounters::reads);
  }));
  EXPECT_EQ(fixture.net_total(&NetCounters::writes), fixture.net_total(&NetCounters::reads));
}

TEST(HttpServer, AnswersAHundredMixedPipelinedRequests) {
  Described fixture;
  HttpClient client = fixture.client();
  std::string all;
  for (int i = 0; i < 100; ++i) {
    const std::string path = "/" + std::to_string(i);
    const std::string line = " " + path + " HTTP/1.1\r\nHost: h\r\n";
    switch (i % 4) {
      case 0:
        all += "GET" + line + "\r\n";
        break;
      case 1:
        all += "HEAD" + line + "\r\n";
        break;
      case 2:
        all += "POST" + line + "Content-Length: 3\r\n\r\nabc";
        break;
      default:
        all += "PUT" + line + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n2\r\nyz\r\n0\r\n\r\n";
    }
  }
  std::thread sender([&] { client.send(all); });
  static constexpr const char* kMethods[] = {"GET", "HEAD", "POST", "PUT"};
  static constexpr const char* kBodies[] = {"", "", "abc", "xyz"};
  for (int i = 0; i < 100; ++i) {
    const Reply reply = client.read_reply(i % 4 == 1);
    const std::string expected = std::string(kMethods[i % 4]) + " /" + std::to_string(i) +
                                 "? host=h 1.1 body=" + kBodies[i % 4];
    EXPECT_EQ(reply.body, i % 4 == 1 ? "" : expected);
    EXPECT_EQ(reply.header("Content-Length"), std::to_string(expected.size()));
  }
  sender.join();
}

TEST(HttpServer, TakesRequestsCutAtEveryByte) {
  Described fixture;
  const std::string request =
      "POST /p?q HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
      "PUT /c HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n0\r\nT: "
      "1\r\n\r\n";
  for (std::size_t cut = 1; cut < request.size(); ++cut) {
    HttpClient client = fixture.client();
    client.send(request.substr(0, cut));
    // The first part has been read before the second is sent.
    ASSERT_TRUE(testing::wait_until(
        [&] { return fixture.net_total(&NetCounters::bytes_received) % request.size() == cut; }));
    client.send(request.substr(cut));
    EXPECT_EQ(client.read_reply().body, "POST /p?q host=a 1.1 body=hello") << cut;
    EXPECT_EQ(client.read_reply().body, "PUT /c? host=b 1.1 body=ab") << cut;
  }
}

TEST(HttpServer, HeadHasTheHeaderOfGetAndNoBody) {
  Described fixture;
  HttpClient client = fixture.client();
  client.send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n" + get_request("/y"));
  const Reply head = client.read_reply(true);
  EXPECT_EQ(head.header("Content-Length"),
            std::to_string(std::string("HEAD /x? host=a 1.1 body=").size()));
  EXPECT_EQ(client.read_reply().body, "GET /y? host=test 1.1 body=");
}

TEST(HttpServer, RoutesByPath) {
  HttpFixture fixture;
  const auto answer = [](const char* text) {
    return [text](const HttpRequest&, HttpResponder responder) {
      responder.respond(HttpResponse::text(text));
    };
  };
  fixture.server().handle("/exact", answer("exact"));
  fixture.server().handle("/tree/", answer("tree"));
  fixture.server().handle("/tree/leaf", answer("leaf"));
  fixture.server().handle("/tree/deep/", answer("old"));
  fixture.server().handle("/tree/deep/", answer("deep"));
  fixture.start();
  HttpClient client = fixture.client();
  EXPECT_EQ(client.get("/exact").body, "exact");
  EXPECT_EQ(client.get("/exact?q").body, "exact");
  EXPECT_EQ(client.get("/tree/").body, "tree");
  EXPECT_EQ(client.get("/tree/x/y").body, "tree");
  EXPECT_EQ(client.get("/tree/leaf").body, "leaf");
  EXPECT_EQ(client.get("/tree/deep/leaf").body, "deep");
  EXPECT_EQ(client.get("/tree").status, 404);
  EXPECT_EQ(client.get("/exact/").status, 404);
  client.send("POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(client.read_reply().status, 404);
  EXPECT_TRUE(client.sees_end());
}

TEST(HttpServer, AsteriskAndAbsoluteTargets) {
  Described fixture;
  HttpClient client = fixture.client();
  client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_reply().body, "OPTIONS *? host=a 1.1 body=");
  client.send("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_reply().body, "OPTIONS *? host=b 1.1 body=");
  EXPECT_EQ(client.get("http://b:1?q").body, "GET /?q host=b:1 1.1 body=");
}

TEST(HttpServer, LaterAnswersFromAnyThreadKeepTheOrder) {
  HttpFixture fixture;
  std::vector<std::thread> threads;
  fixture.server().handle([&](const HttpRequest& request, HttpResponder responder) {
    threads.emplace_back(
        [path = std::string(request.path()), responder = std::move(responder)]() mutable {
          responder.respond(HttpResponse::text(path));
        });
  });
  fixture.start();
  HttpClient client = fixture.client();
  std::string all;
  for (int i = 0; i < 20; ++i) all += get_request("/" + std::to_string(i));
  client.send(all);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.read_reply().body, "/" + std::to_string(i));
  fixture.destroy();
  for (std::thread& thread : threads) thread.join();
}

TEST(HttpServer, AForgottenResponderAnswers500) {
  HttpFixture fixture;
  fixture.server().handle([](const HttpRequest&, HttpResponder) {});
  fixture.start();
  HttpClient client = fixture.client();
  EXPECT_EQ(client.get("/").status, 500);
  EXPECT_EQ(client.get("/").status, 500);
}

TEST(HttpServer, AnExceptionEndsThatConnectionOnly) {
  HttpFixture fixture;
  fixture.server().handle([](const HttpRequest& request, HttpResponder responder) {
    if (request.path() == "/throw") throw std::runtime_error("on purpose");
    responder.respond(HttpResponse::text("fine"));
  });
  fixture.start();
  HttpClient other = fixture.client();
  EXPECT_EQ(other.get("/").body, "fine");
  HttpClient client = fixture.client();
  client.send(get_request("/throw"));
  EXPECT_FALSE(client.read_reply().complete);
  EXPECT_TRUE(
      testing::wait_until([&] { return fixture.closed(CloseReason::kCallbackException) == 1; }));
  EXPECT_EQ(other.get("/").body, "fine");
}

TEST(HttpServer, RefusesInjectedHeaders) {
  HttpFixture fixture;
  std::atomic<int> refused{0};
  fixture.server().handle([&](const HttpRequest& request, HttpResponder responder) {
    HttpResponse response = HttpResponse::text("secret");
    if (request.path() == "/value") response.header("X", "a\r\nSet-Cookie: b");
    if (request.path() == "/name") response.header("X: a\r\nY", "b");
    if (request.path() == "/own") response.header("content-length", "3");
    if (!responder.respond(std::move(response))) ++refused;
  });
  fixture.start();
  HttpClient client = fixture.client();
  for (const char* path : {"/value", "/name", "/own"}) {
    const Reply reply = client.get(path);
    EXPECT_EQ(reply.status, 500) << path;
    EXPECT_EQ(reply.body, "500 Internal Server Error\n");
    EXPECT_EQ(reply.header("Set-Cookie"), "<none>");
  }
  EXPECT_EQ(refused, 3);
}

TEST(HttpServer, SendsAllKindsOfBodies) {
  HttpFixture fixture;
  const auto shared = std::make_shared<std::string>(100'000, 's');
  fixture.server().handle([&](const HttpRequest& request, HttpResponder responder) {
    const std::string_view path = request.path();
    if (path == "/none") return void(responder.respond(HttpResponse(204)));
    if (path == "/empty") return void(responder.respond(HttpResponse(200)));
    if (path == "/big")
      return void(responder.respond(HttpResponse::text(std::string(300'000, 'b'))));
    if (path == "/shared") {
      return void(responder.respond(HttpResponse().body(SharedBytes{shared, *shared})));
    }
    if (path == "/small") {
      responder.respond(
          HttpResponse().body(SharedBytes{shared, std::string_view(*shared).substr(5, 7)}));
      return;
    }
    responder.respond(HttpResponse::redirect("/big"));
  });
  fixture.start();
  HttpClient client = fixture.client();
  const Reply none = client.get("/none");
  EXPECT_EQ(none.status, 204);
  EXPECT_EQ(none.header("Content-Length"), "<none>");
  EXPECT_EQ(client.get("/empty").header("Content-Length"), "0");
  EXPECT_EQ(client.get("/big").body, std::string(300'000, 'b'));
  EXPECT_EQ(client.get("/shared").body, *shared);
  EXPECT_EQ(client.get("/small").body, "sssssss");
  const Reply redirect = client.get("/elsewhere");
  EXPECT_EQ(redirect.status, 308);
  EXPECT_EQ(redirect.header("Location"), "/big");
}

TEST(HttpServer, ServesOnAllLoops) {
  Described fixture({}, {.loops = 2, .balance = Balance::kRoundRobin});
  for (int i = 0; i < 8; ++i) {
    HttpClient client = fixture.client();
    EXPECT_EQ(client.get("/").status, 200);
  }
  EXPECT_EQ(fixture.server().counters().size(), 2u);
  for (const HttpCounters* counters : fixture.server().counters()) {
    EXPECT_EQ(counters->requests.load(), 4u);
    EXPECT_EQ(counters->responses[2].load(), 4u);
  }
}

TEST(HttpServer, ASecondAnswerIsRefused) {
  HttpFixture fixture;
  std::atomic<bool> open_before{false};
  fixture.server().handle([&](const HttpRequest&, HttpResponder responder) {
    open_before = responder.is_open();
    HttpResponder other(std::move(responder));
    other = HttpResponder(std::move(other));
    EXPECT_TRUE(other.respond(HttpResponse::text("one")));
  });
  fixture.start();
  HttpClient client = fixture.client();
  EXPECT_EQ(client.get("/").body, "one");
  EXPECT_TRUE(open_before);
}

}  // namespace
}  // namespace leat::http
