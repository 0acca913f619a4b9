// A library without c-ares: what needs no name server works, the rest says why not.

#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/resolver.h"
#include "leat/net/tcp_client.h"
#include "leat/reactor/event_loop.h"

#include "support/raw_sockets.h"

namespace leat {
namespace {

using testing::run_until;

TEST(ResolverWithoutDns, AnswersWhatNeedsNoServer) {
  const auto loop = EventLoop::create().value();
  Resolver resolver(*loop, {.resolv_conf = "", .hosts_file = ""});
  for (const char* host : {"127.0.0.1", "::1", "localhost"}) {
    std::size_t addresses = 0;
    ASSERT_TRUE(resolver.resolve(host, 80, [&](const Result<std::vector<InetAddress>>& answer) {
      addresses = answer.value().size();
    }));
    EXPECT_TRUE(run_until(*loop, [&] { return addresses > 0; })) << host;
  }
}

TEST(ResolverWithoutDns, SaysWhyItCannotAnswer) {
  const auto loop = EventLoop::create().value();
  Resolver resolver(*loop, {.resolv_conf = "", .hosts_file = ""});
  std::optional<Error> error;
  ASSERT_TRUE(
      resolver.resolve("host.example", 80, [&](const auto& answer) { error = answer.error(); }));
  ASSERT_TRUE(run_until(*loop, [&] { return error.has_value(); }));
  EXPECT_EQ(error->number(), ENOSYS);
  EXPECT_EQ(error->context(),
            "resolve host.example (this libleat was built without c-ares (LEAT_NAMES))");
}

TEST(ResolverWithoutDns, ClientsConnectToLocalhostByName) {
  const auto loop = EventLoop::create().value();
  const UniqueFd listener = testing::plain_listener();
  TcpClient client(*loop,
                   HostPort{"localhost", InetAddress::local_of(listener.get()).value().port()});
  bool open = false;
  client.on_connection([&](const TcpConnectionPtr&) { open = true; });
  ASSERT_TRUE(client.connect());
  EXPECT_TRUE(run_until(*loop, [&] { return open; }));
}

}  // namespace
}  // namespace leat
