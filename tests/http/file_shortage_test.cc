// Files when descriptors have run out, and when the pool that opens cold files takes no more: 503,
// and nothing for those who need neither.
#include <fcntl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leat/http/static_files.h"
#include "leat/reactor/blocking_pool.h"

#include "support/http_fixture.h"
#include "support/temporary_tree.h"

namespace leat::http {
namespace {

using testing::HttpClient;
using testing::HttpFixture;
using testing::Reply;
using testing::TemporaryTree;
using testing::wait_until;

/// Takes every descriptor that this process may have.
class AllDescriptors {
 public:
  AllDescriptors() {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    // Numbers below the limit may be free, above it none is given out.
    UniqueFd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const rlimit low{.rlim_cur = static_cast<rlim_t>(next.get()) + 64,
                     .rlim_max = before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    while (next) {
      held_.push_back(std::move(next));
      next.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    }
    EXPECT_EQ(errno, EMFILE);
  }
  ~AllDescriptors() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }
  AllDescriptors(const AllDescriptors&) = delete;
  AllDescriptors& operator=(const AllDescriptors&) = delete;

  void give_back(std::size_t count) { held_.resize(held_.size() - count); }

 private:
  rlimit before_{};
  std::vector<UniqueFd> held_;
};

std::size_t open_descriptors() {
  std::size_t count = 0;
  for (const auto& one : std::filesystem::directory_iterator("/proc/self/fd")) {
    static_cast<void>(one);
    ++count;
  }
  return count;
}

/// Files, and a handler that needs nothing.
struct Files {
  explicit Files(const StaticFilesOptions& options = {}, BlockingPoolOptions pool_options = {},
                 TcpServerOptions tcp = {})
      : pool(std::move(pool_options)), server({}, std::move(tcp)) {
    server.server().handle(StaticFiles::create(tree.root(), pool, options).value());
    server.server().handle("/.fine", [](const HttpRequest&, HttpResponder responder) {
      responder.respond(HttpResponse::text("fine"));
    });
    server.start();
  }
  /// On a connection that goes on.
  static void expect_status(HttpClient& client, const char* target, int status) {
    const Reply reply = client.get(target);
    EXPECT_EQ(reply.status, status) << target;
    EXPECT_TRUE(reply.complete) << target;
    EXPECT_EQ(reply.header("Connection"), "<none>") << target;
  }

  TemporaryTree tree;
  BlockingPool pool;
  HttpFixture server;
};

TEST(FileShortage, OutOfDescriptors) {
  Files files({.list_directories = true});
  files.tree.write("small.txt", "small");
  files.tree.write("large.bin", std::string(1'000'000, 'x'));
  files.tree.write("folder/x", "");
  HttpClient client = files.server.client();
  HttpClient other = files.server.client();
  // Whatever is made once, the pool's threads too, is made now.
  Files::expect_status(client, "/folder/", 200);
  Files::expect_status(other, "/.fine", 200);
  {
    AllDescriptors all;
    for (int i = 0; i < 3; ++i) {
      Files::expect_status(client, "/small.txt", 503);
      Files::expect_status(client, "/large.bin", 503);
      Files::expect_status(client, "/folder/", 503);
      Files::expect_status(client, "/missing", 503);
      Files::expect_status(other, "/.fine", 200);
    }
    all.give_back(1);
    Files::expect_status(client, "/small.txt", 200);
    Files::expect_status(client, "/large.bin", 200);
    Files::expect_status(client, "/missing", 404);
    Files::expect_status(client, "/folder/", 503);  // and its index is a second one
    Files::expect_status(other, "/.fine", 200);
  }
  EXPECT_EQ(client.get("/small.txt").body, "small");
  EXPECT_EQ(client.get("/large.bin").body.size(), 1'000'000u);
  Files::expect_status(client, "/folder/", 200);
  EXPECT_EQ(files.server.responses(5), 13u);
}

TEST(FileShortage, OutOfDescriptorsInThePool) {
  Files files({.index = "", .list_directories = true});
  files.tree.write("folder/x", "");
  HttpClient client = files.server.client();
  Files::expect_status(client, "/folder/", 200);
  {
    AllDescriptors all;
    all.give_back(1);
    Files::expect_status(client, "/folder/", 503);  // reading it takes a second one
    all.give_back(1);
    Files::expect_status(client, "/folder/", 200);
  }
}

TEST(FileShortage, ThePoolTakesNoMore) {
  Files files({.list_directories = true}, {.threads = 1, .max_queued = 1});
  files.tree.write("folder/x", "");
  HttpClient client = files.server.client();
  HttpClient waits = files.server.client();
  HttpClient other = files.server.client();
  Files::expect_status(client, "/folder/", 200);
  std::promise<void> go_on;
  std::promise<void> running;
  ASSERT_TRUE(files.pool.run(
      files.server.base().handle(),
      [&running, go_on = go_on.get_future().share()] {
        running.set_value();
        go_on.wait();
      },
      [] {}));
  running.get_future().wait();
  // Lists are always made in the pool: one waits for its thread, the others find no room.
  waits.send(testing::get_request("/folder/"));
  ASSERT_TRUE(wait_until([&] { return files.pool.counters().queued == 1; }));
  for (int i = 0; i < 3; ++i) {
    Files::expect_status(client, "/folder/", 503);
    Files::expect_status(other, "/.fine", 200);
  }
  EXPECT_EQ(files.pool.counters().refused, 3u);
  go_on.set_value();
  EXPECT_EQ(waits.read_reply().status, 200);
  Files::expect_status(client, "/folder/", 200);
  EXPECT_EQ(files.server.responses(5), 3u);
}

TEST(FileShortage, ResetsInTheMiddleOfAFileGiveItsDescriptorBack) {
  TcpServerOptions tcp;
  tcp.connection.kernel_send_buffer = 64 * 1024;
  Files files({}, {}, tcp);
  files.tree.write("large.bin", std::string(10'000'000, 'x'));
  HttpClient other = files.server.client();
  EXPECT_EQ(other.get("/large.bin").body.size(), 10'000'000u);
  const std::size_t before = open_descriptors();
  std::vector<HttpClient> clients;
  for (int i = 0; i < 8; ++i) {
    HttpClient& client = clients.emplace_back(files.server.client(16 * 1024));
    client.send(testing::get_request("/large.bin"));
    EXPECT_EQ(client.read(1 + 1000 * static_cast<std::size_t>(i)).substr(0, 1), "H");
  }
  EXPECT_EQ(open_descriptors(), before + 3 * clients.size()) << "two ends and a file for each";
  for (HttpClient& client : clients) client.reset();
  EXPECT_TRUE(wait_until([&] { return files.server.closed(CloseReason::kReset) == 8; }));
  EXPECT_TRUE(wait_until([&] { return open_descriptors() == before; })) << open_descriptors();
  Files::expect_status(other, "/large.bin", 200);
}

}  // namespace
}  // namespace leat::http
