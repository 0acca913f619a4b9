#include "leat/net/request_migration.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/internal/socket_ops.h"

#include "support/own_network.h"
#include "support/raw_sockets.h"

namespace leat {
namespace {

constexpr std::size_t kClients = 60;

/// Two listeners, clients in the queues of both; the first closes. How many of the clients the
/// other one has then.
std::size_t left_when_one_closes(bool migrate) {
  const internal::ListenerOptions options{.reuse_port = true};
  UniqueFd first = internal::open_listener(InetAddress::loopback(0), options).value();
  const InetAddress address = InetAddress::local_of(first.get()).value();
  const UniqueFd second = internal::open_listener(address, options).value();
  if (migrate) attach_request_migration(first.get()).value();
  std::vector<UniqueFd> clients;
  for (std::size_t i = 0; i < kClients; ++i) clients.push_back(testing::plain_connect(address));
  first.reset();
  std::size_t accepted = 0;
  while (UniqueFd(::accept(second.get(), nullptr, nullptr))) ++accepted;
  return accepted;
}

TEST(RequestMigration, MovesWhatWaitsInAListenerThatCloses) {
  if (const auto probe = attach_request_migration(
          internal::open_listener(InetAddress::loopback(0), {.reuse_port = true}).value().get());
      !probe) {
    GTEST_SKIP() << probe.error().message();
  }
  // Where the system does so anyway, the other half would show nothing.
  const bool allowed = testing::in_own_network([] {
    ASSERT_TRUE(testing::set_up("lo", 65536));
    EXPECT_LT(left_when_one_closes(false), kClients);
    EXPECT_EQ(left_when_one_closes(true), kClients);
  });
  if (!allowed) GTEST_SKIP() << "network namespaces cannot be made here";
}

TEST(RequestMigration, NeedsASocketOfAGroup) {
  const UniqueFd alone = internal::open_listener(InetAddress::loopback(0)).value();
  const Result<void> attached = attach_request_migration(alone.get());
  ASSERT_FALSE(attached);
  const int number = attached.error().number();
  EXPECT_TRUE(number == EINVAL || number == EPERM) << attached.error().message();
}

}  // namespace
}  // namespace leat
