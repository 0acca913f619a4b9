// A user's program: a server and a client of it, on one loop.
#include <string_view>

#include <fmt/core.h>

#include "leat/net/tcp_client.h"
#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"

int main() {
  const auto loop = leat::EventLoop::create().value();
  leat::TcpServer server(*loop, {.loops = 0});
  server.on_message([](const auto& connection, leat::ReceiveBuffer& input, auto) {
    connection->send(input.take_all());
  });
  server.listen(leat::InetAddress::parse("127.0.0.1:0").value()).value();
  server.start().value();

  const std::string_view sent = "leat answers";
  leat::TcpClient client(*loop, server.addresses().front());
  client.on_connection([&](const auto& connection) { connection->send(sent); });
  client.on_message([&](const auto&, leat::ReceiveBuffer& input, auto) {
    if (input.view() == sent) loop->quit();
  });
  client.on_close([&](const auto&, auto) { loop->quit(); });
  client.connect().value();
  loop->loop().value();
  const auto& counters = client.counters();
  fmt::print("{}\n", counters.bytes_received.load() == sent.size() ? sent : "no answer");
}
