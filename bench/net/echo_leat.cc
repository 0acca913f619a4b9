// Leat's echo server, as the README shows it: one loop, which also accepts.

#include <cstdio>
#include <string>

#include "leat/net/inet_address.h"
#include "leat/net/receive_buffer.h"
#include "leat/net/tcp_connection.h"
#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"

#include "bench/net/server.h"

int main() {
  auto loop = leat::EventLoop::create().value();
  leat::TcpServer server(*loop, {.backlog = leat::bench::kBacklog});
  server.on_message(
      [](const leat::TcpConnectionPtr& connection, leat::ReceiveBuffer& input, leat::Timestamp) {
        (void)connection->send(input.view());
        input.consume_all();
      });
  leat::Result<void> ready = server.listen(leat::InetAddress::parse("127.0.0.1:0").value());
  if (ready) ready = server.start();
  if (!ready) {
    std::fprintf(stderr, "bench_echo_leat: %s\n", ready.error().message().c_str());
    return 1;
  }
  leat::bench::announce(server.addresses().front().port(), "leat", LEAT_BENCH_VERSION);
  return loop->loop() ? 0 : 1;
}
