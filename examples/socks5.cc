// A SOCKS5 proxy: socks5 [ADDRESS]; curl --socks5-hostname 127.0.0.1:7004 http://localhost:8080/

#include <iostream>

#include "leat/net/tcp_client.h"
#include "leat/net/tcp_server.h"
#include "leat/reactor/blocking_pool.h"

#include "socks5_request.h"
#include "socks5_tunnel.h"

struct Session final : socks5::Tunnel {
  Session(leat::TcpConnectionPtr c, leat::BlockingPool& n) : Tunnel(std::move(c)), names(n) {}

  void negotiate(leat::ReceiveBuffer& input) override {
    const auto message =
        greeted ? socks5::parse_request(input.view()) : socks5::parse_greeting(input.view());
    if (message.size == 0) return;  // The beginning is there again when more has come.
    input.consume(message.size);
    if (greeted) return message.refusal != 0 ? answer(message.refusal) : find_server(message);
    client->send(std::string{5, static_cast<char>(message.refusal)});
    if (message.refusal != 0) return client->close();
    greeted = true;
    if (!input.empty()) negotiate(input);
  }

  void find_server(const socks5::Message& request) {
    client->pause_reading();  // What follows is for the server.
    auto found = [this, self = shared_from_this()](std::vector<leat::InetAddress> result) {
      addresses = std::move(result);
      connect_next(4);
    };
    if (!request.host_is_name) return found(socks5::look_up(request));
    if (!names.run(client->loop(), [=] { return socks5::look_up(request); }, found)) answer(1);
  }

  void connect_next(int failure) {
    if (!client->is_open()) return;
    if (addresses.empty()) return answer(failure);
    target.emplace(client->loop(), addresses.back());
    addresses.pop_back();
    target->set_callbacks(callbacks());
    target->on_connection([this](const leat::TcpConnectionPtr& connection) {
      connection->set_context(shared_from_this());
      if (!client->is_open()) return connection->abort();
      server = connection;
      answer(0);
      client->resume_reading();
    });
    target->on_connect_failed([this](const auto&, auto) { connect_next(5); });
    if (!target->connect()) answer(1);
  }

  void answer(int code) {
    client->send(std::string{5, static_cast<char>(code), 0, 1, 0, 0, 0, 0, 0, 0});
    if (code != 0) client->close();
  }

  leat::BlockingPool& names;
  std::optional<leat::TcpClient> target;
  std::vector<leat::InetAddress> addresses;
  bool greeted = false;
};

int main(int argc, char** argv) {
  const auto address = leat::InetAddress::parse(argc > 1 ? argv[1] : "127.0.0.1:7004").value();
  const auto loop = leat::EventLoop::create().value();
  leat::BlockingPool names({.name = "names"});  // For getaddrinfo(), which blocks.
  leat::TcpServer server(*loop,
                         {.loops = 4, .connection = {.idle_timeout = std::chrono::hours(1)}});
  server.set_callbacks(Session::callbacks());
  server.on_connection([&](const auto& client) {
    client->set_context(std::shared_ptr<socks5::Tunnel>(std::make_shared<Session>(client, names)));
  });
  server.listen(address).value();
  server.start().value();
  std::cout << "listening on " << server.addresses().front().to_string() << '\n' << std::flush;
  loop->loop().value();
}
