// Internal: two connections joined to one stream each way, for socks5.cc and tls_proxy.cc.
#pragma once

#include <memory>
#include <utility>

#include "leat/net/connection_callbacks.h"
#include "leat/net/receive_buffer.h"
#include "leat/net/tcp_connection.h"

namespace socks5 {

/// A client and its server, both on one loop. It is the context of both, and goes when both are
/// closed: the pointers are no leak, because a closed connection lets go of its context.
struct Tunnel : std::enable_shared_from_this<Tunnel> {
  explicit Tunnel(leat::TcpConnectionPtr client_in) : client(std::move(client_in)) {}
  virtual ~Tunnel() = default;
  /// Gets the client's input until there is a server.
  virtual void negotiate(leat::ReceiveBuffer& input) = 0;

  leat::TcpConnectionPtr client, server;

  static Tunnel& of(const leat::TcpConnectionPtr& side) {
    return *side->context_as<std::shared_ptr<Tunnel>>();
  }
  /// The other end; null as long as there is none.
  static leat::TcpConnectionPtr other(const leat::TcpConnectionPtr& side) {
    return side == of(side).client ? of(side).server : of(side).client;
  }
  static leat::ConnectionCallbacks callbacks();
};

/// The same for both ends. A send to an end that has closed fails, and that is ignored: its
/// on_close ends this one as well.
inline leat::ConnectionCallbacks Tunnel::callbacks() {
  leat::ConnectionCallbacks side;
  side.on_message = [](const auto& here, leat::ReceiveBuffer& input, auto) {
    const auto there = other(here);
    if (!there) return of(here).negotiate(input);
    there->send(input.view());
    input.consume_all();
  };
  // Too much waits here for a slow reader, and it came from there: so that side is not read, its
  // kernel's window closes, and the sender slows down. Nobody's memory grows.
  side.on_high_water = [](const auto& here, auto) {
    if (const auto there = other(here)) there->pause_reading();
  };
  side.on_low_water = [](const auto& here) {
    if (const auto there = other(here)) there->resume_reading();
  };
  // One direction has ended; the other goes on until it ends too.
  side.on_half_close = [](const auto& here) {
    const auto there = other(here);
    there ? there->shutdown() : here->close();
  };
  // An orderly end stays one; a reset, a limit or an error becomes a reset.
  side.on_close = [](const auto& here, leat::CloseReason reason) {
    const auto there = other(here);
    if (!there) return;
    using enum leat::CloseReason;
    reason == kPeerClosed || reason == kLocalClose ? there->close() : there->abort();
  };
  return side;
}

}  // namespace socks5
