// Every allocation on the way of a request fails once.
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "leat/http/http_server.h"
#include "leat/reactor/event_loop.h"

#include "support/http_client.h"
#include "tests/reactor/failing_allocator.h"

namespace leat::http {
namespace {

using testing::get_request;
using testing::HttpClient;

/// A new one for each failure: what is kept for another time needs no memory then.
class Scene {
 public:
  Scene() {
    server_.handle([this](const HttpRequest& request, HttpResponder responder) {
      if (request.path() == "/later") {
        auto kept = std::make_shared<HttpResponder>(std::move(responder));
        loop_->queue_in_loop([kept] { kept->respond(HttpResponse::text("later")); });
      } else if (request.path() == "/stream") {
        HttpStream stream = responder.stream(HttpResponse(200)).value();
        for (int i = 0; i < 10; ++i) stream.write(std::string(3000, 's'));
        stream.end();
      } else {
        responder.respond(HttpResponse::text(std::string(20'000, 't')));
      }
    });
    server_.handle_upload("/up", [](const HttpRequest&, HttpResponder responder) {
      auto kept = std::make_shared<HttpResponder>(std::move(responder));
      return [kept](std::string_view, UploadState state) {
        if (state == UploadState::kEnd) kept->respond(HttpResponse::text("last"));
      };
    });
    server_.listen(InetAddress::loopback(0)).value();
    server_.start().value();
  }

  void run(int iterations) {
    for (int i = 0; i < iterations; ++i) {
      loop_->quit();
      try {
        EXPECT_TRUE(loop_->loop());
      } catch (const std::bad_alloc&) {
        // Contract: what no connection can be blamed for leaves the loop, which may go on.
      }
    }
  }
  /// What has come so far, and whether the connection has ended.
  static std::pair<std::string, bool> take(const HttpClient& client) {
    std::string bytes(200'000, '\0');
    std::size_t size = 0;
    ssize_t count = 0;
    while ((count = ::recv(client.fd(), bytes.data() + size, bytes.size() - size, MSG_DONTWAIT)) >
           0) {
      size += static_cast<std::size_t>(count);
    }
    const bool ended = count == 0 || errno != EAGAIN;
    bytes.resize(size);
    return {bytes, ended};
  }
  static bool is_whole(std::string_view answers) { return answers.ends_with("\r\n\r\nlast"); }

  /// How many iterations bytes take on their way is the kernel's affair.
  template <typename Condition>
  void run_until(Condition condition) {
    for (int i = 0; i < 2000 && !condition(); ++i) run(1);
  }
  /// All that comes until the answers are whole or the connection ends.
  std::pair<std::string, bool> await_answers(const HttpClient& client) {
    std::pair<std::string, bool> all;
    run_until([&] {
      const auto [bytes, end] = take(client);
      all.first += bytes;
      all.second = end;
      return end || is_whole(all.first);
    });
    return all;
  }

  /// True if something failed, and false if there was nothing left to fail; `ended` if it cost
  /// the connection.
  bool fail(std::size_t nth, bool& ended) {
    bool happened = false;
    HttpClient witness(server_.tcp().addresses().front());
    run(2);
    HttpClient client(server_.tcp().addresses().front());
    {
      const test::FailingAllocation failing(nth);
      run(2);
      client.send(std::string_view(requests_).substr(0, 20));
      run(2);
      client.send(std::string_view(requests_).substr(20));
      run(8);
      happened = test::FailingAllocation::happened();
    }
    const auto [answers, end] = await_answers(client);
    ended = !is_whole(answers);
    EXPECT_TRUE(happened || !ended);
    EXPECT_TRUE(!ended || end || answers.find(" 500 ") != std::string::npos) << answers.size();
    client.reset();
    witness.send(requests_);
    EXPECT_TRUE(is_whole(await_answers(witness).first));
    run_until([this] { return server_.tcp().connection_count() == 1; });
    EXPECT_EQ(server_.tcp().connection_count(), 1u);
    return happened;
  }

 private:
  const std::string requests_ =
      get_request("/text") + get_request("/later") + get_request("/stream") +
      "POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
  HttpServer server_{*loop_};
};

TEST(HttpOutOfMemory, CostsOneConnectionAtMost) {
  EXPECT_GT(test::fail_each_allocation<Scene>(), 10)
      << "the requests allocate more often than that";
}

}  // namespace
}  // namespace leat::http
