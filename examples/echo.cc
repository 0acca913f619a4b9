// Sends back what comes in, on every core: echo [ADDRESS]. Try it: nc 127.0.0.1 7001

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "leat/net/inet_address.h"
#include "leat/net/receive_buffer.h"
#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/event_loop_thread_pool.h"
#include "leat/reactor/signal_watcher.h"

using namespace std::chrono_literals;

namespace {

leat::Result<void> run(std::string_view where) {
  const auto address = leat::InetAddress::parse(where);
  if (!address) return address.error();
  const auto loop = leat::EventLoop::create();
  if (!loop) return loop.error();

  // A loop for each CPU, and a listener for each loop: the kernel spreads the connections.
  leat::TcpServer server(**loop, {.loops = leat::EventLoopThreadPool::one_per_cpu()});
  // Runs on all loops at once; for one connection always on the same. A client that does not read
  // its echo is not read either once 1 MiB waits for it: that is the connection's own doing.
  server.on_message([](const auto& connection, leat::ReceiveBuffer& input, auto) {
    connection->send(input.view());
    input.consume_all();
  });

  // The first signal lets connections finish for five seconds, a second one ends at once.
  bool stopping = false;
  const auto signals =
      leat::SignalWatcher::create(**loop, {SIGINT, SIGTERM}, [&](int, const auto&) {
        if (std::exchange(stopping, true)) return (*loop)->quit();
        server.stop(5s, [&](const leat::StopReport& report) {
          std::cout << report.drained << " finished, " << report.cut << " cut" << '\n'
                    << std::flush;
          (*loop)->quit();
        });
      });
  if (!signals) return signals.error();

  if (const auto listening = server.listen(*address); !listening) return listening;
  if (const auto started = server.start(); !started) return started;
  std::cout << "listening on " << server.addresses().front().to_string() << '\n' << std::flush;
  return (*loop)->loop();
}

}  // namespace

int main(int argc, char** argv) {
  const auto result = run(argc > 1 ? argv[1] : "127.0.0.1:7001");
  if (!result) std::cerr << "echo: " << result.error().message() << '\n';
  return result ? EXIT_SUCCESS : EXIT_FAILURE;
}
