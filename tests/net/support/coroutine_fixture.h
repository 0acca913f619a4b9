// Internal: coroutines on one loop, with connections between them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <utility>

#include <gtest/gtest.h>

#include "leat/net/connect.h"
#include "leat/net/tcp_listener.h"

#include "tests/reactor/task_test_support.h"

namespace leat::testing {

/// Descriptors that the process has open.
[[nodiscard]] inline std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

class CoroutineTest : public test::TaskLoopTest {
 protected:
  using Side = std::function<Task<>(TcpConnectionPtr)>;

  /// Runs both ends of one connection until both tasks have ended.
  void talk(Side server, Side client, TcpListenerOptions options = {},
            ConnectOptions connect_options = {}) {
    const auto listener = TcpListener::listen(loop, InetAddress::loopback(0), options).value();
    const InetAddress address = listener->address().value();
    TaskHandle serving = spawn(loop, [&]() -> Task<> {
      TcpConnectionPtr connection = (co_await listener->accept()).value();
      co_await server(std::move(connection));
    });
    run_task([&]() -> Task<> {
      TcpConnectionPtr connection = (co_await connect(address, connect_options)).value();
      co_await client(std::move(connection));
      (co_await serving.join()).value();
    });
  }
  /// Runs iterations until `condition` holds.
  void iterate_until(const std::function<bool()>& condition) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition() && std::chrono::steady_clock::now() < limit) iterate();
    EXPECT_TRUE(condition());
  }
};

}  // namespace leat::testing
