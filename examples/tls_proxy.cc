// TLS in front of a plain TCP server: tls_proxy ADDRESS SERVER CERT KEY
//     leat serve --echo --listen 127.0.0.1:7005 &
//     tls_proxy 127.0.0.1:7006 127.0.0.1:7005 cert.pem key.pem &
//     openssl s_client -connect 127.0.0.1:7006
// SIGHUP reads both files again; connections go on.

#include <csignal>
#include <iostream>
#include <memory>
#include <optional>

#include "leat/net/tcp_client.h"
#include "leat/net/tcp_server.h"
#include "leat/net/tls_context.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/signal_watcher.h"

#include "socks5_tunnel.h"

/// A client with TLS and the plain server behind, both on the client's loop.
struct Session final : socks5::Tunnel {
  Session(leat::TcpConnectionPtr c, const leat::InetAddress& address)
      : Tunnel(std::move(c)), target(client->loop(), address) {}

  /// Once the client is its context's.
  void connect() {
    client->pause_reading();  // Until there is somebody to pass it on to.
    target.set_callbacks(callbacks());
    target.on_connection([this](const leat::TcpConnectionPtr& connection) {
      connection->set_context(shared_from_this());
      if (!client->is_open()) return connection->abort();
      server = connection;
      client->resume_reading();
    });
    target.on_connect_failed([this](const leat::Error& error, auto) {
      std::cerr << error.message() << '\n';
      client->abort();
    });
    target.connect().value();
  }
  void negotiate(leat::ReceiveBuffer& /*input*/) override {}  // There is nothing to say.

  leat::TcpClient target;
};

int fail(const leat::Error& error) {
  std::cerr << error.message() << '\n';
  return 1;
}

int main(int argc, char** argv) {
  if (argc != 5) return fail(leat::Error::invalid_argument("tls_proxy ADDRESS SERVER CERT KEY"));
  const auto address = leat::InetAddress::parse(argv[1]);
  const auto behind = leat::InetAddress::parse(argv[2]);
  const auto tls = leat::TlsContext::server({.certificates = {{argv[3], argv[4]}}});
  if (!address) return fail(address.error());
  if (!behind) return fail(behind.error());
  if (!tls) return fail(tls.error());
  const auto loop = leat::EventLoop::create().value();
  const auto reload = [&tls](int, const auto&) {
    const auto reloaded = (*tls)->reload();
    std::cout << (reloaded ? "reloaded" : reloaded.error().message()) << '\n' << std::flush;
  };
  const auto signals = leat::SignalWatcher::create(*loop, {SIGHUP}, reload).value();

  leat::TcpServer server(*loop, {.loops = 4, .tls = *tls});
  server.set_callbacks(Session::callbacks());
  server.on_connection([&](const leat::TcpConnectionPtr& client) {
    const auto session = std::make_shared<Session>(client, *behind);
    client->set_context(std::shared_ptr<socks5::Tunnel>(session));
    session->connect();
  });
  if (const auto listening = server.listen(*address); !listening) return fail(listening.error());
  server.start().value();
  std::cout << "listening on " << server.addresses().front().to_string() << '\n' << std::flush;
  loop->loop().value();
}
