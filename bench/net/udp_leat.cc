// Leat's UDP socket as its documentation uses it. LEAT_POLLER picks the poller.

#include <cstdio>

#include "leat/net/inet_address.h"
#include "leat/net/udp_socket.h"
#include "leat/reactor/event_loop.h"

#include "bench/net/server.h"
#include "bench/net/udp_server.h"

int main(int count, char** arguments) {
  const leat::bench::UdpServerMode mode(count, arguments);
  auto loop = leat::EventLoop::create().value();
  auto socket = leat::UdpSocket::bind(*loop, leat::InetAddress::parse("127.0.0.1:0").value(),
                                      {.gro = mode.gro, .gso = mode.gro})
                    .value();
  if (mode.echo) {
    socket->on_datagrams([&](std::span<const leat::Datagram> datagrams) {
      for (const leat::Datagram& datagram : datagrams) {
        (void)socket->send(datagram.payload, datagram.reply());
      }
    });
  } else {
    socket->on_datagrams([&](std::span<const leat::Datagram> datagrams) {
      for (const leat::Datagram& datagram : datagrams) {
        for (const std::string_view segment : datagram.segments()) {
          if (!segment.starts_with(leat::bench::kAcknowledge)) continue;
          (void)socket->send(leat::bench::kAcknowledgement, {.to = datagram.peer});
        }
      }
    });
  }
  if (const auto started = socket->start(); !started) {
    std::fprintf(stderr, "bench_udp_leat: %s\n", started.error().message().c_str());
    return 1;
  }
  leat::bench::announce(socket->address().value().port(), "leat", LEAT_BENCH_VERSION);
  return loop->loop() ? 0 : 1;
}
