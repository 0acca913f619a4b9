// Sends UDP datagrams back: udp_echo [ADDRESS]. Try it: nc -u 127.0.0.1 7005

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <span>
#include <string_view>

#include "leat/net/inet_address.h"
#include "leat/net/udp_socket.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/signal_watcher.h"

namespace {

void print(const leat::UdpCounters& counters) {
  std::cout << counters.datagrams_received.load() << " received in "
            << counters.receive_calls.load() << " calls, " << counters.gro_received.load()
            << " pieces of many; " << counters.datagrams_sent.load() << " sent in "
            << counters.send_calls.load() << " calls, " << counters.gso_sent.load()
            << " pieces of many; lost: " << counters.kernel_drops.load() << " before us, "
            << counters.send_rejected.load() + counters.send_failed.load() << " by us\n"
            << std::flush;
}

leat::Result<void> run(std::string_view where) {
  const auto address = leat::InetAddress::parse(where);
  if (!address) return address.error();
  const auto loop = leat::EventLoop::create();
  if (!loop) return loop.error();

  // GRO: several datagrams of one peer may come in one piece. receive_local: bound to 0.0.0.0, the
  // echo still comes from the address that was asked.
  const auto socket = leat::UdpSocket::bind(**loop, *address, {.gro = true, .receive_local = true});
  if (!socket) return socket.error();
  leat::UdpSocket& echo = **socket;

  echo.on_datagrams([&echo](std::span<const leat::Datagram> datagrams) {
    for (const leat::Datagram& datagram : datagrams) {
      // A piece of many goes back as one, by GSO. Who floods us faster than the network takes
      // the echo loses some of it: that is counted, and the protocol's business.
      static_cast<void>(echo.send(datagram.payload, datagram.reply()));
    }
  });
  echo.on_error([](const leat::UdpError& error) {
    std::cerr << "udp_echo: " << error.error.message() << '\n';
  });

  const auto signals =
      leat::SignalWatcher::create(**loop, {SIGINT, SIGTERM}, [&](int, const auto&) {
        echo.refresh_kernel_drops();
        print(echo.counters());
        (*loop)->quit();
      });
  if (!signals) return signals.error();

  if (const auto started = echo.start(); !started) return started;
  const auto bound = echo.address();
  if (!bound) return bound.error();
  std::cout << "listening on " << bound->to_string() << '\n' << std::flush;
  return (*loop)->loop();
}

}  // namespace

int main(int argc, char** argv) {
  const auto result = run(argc > 1 ? argv[1] : "127.0.0.1:7005");
  if (!result) std::cerr << "udp_echo: " << result.error().message() << '\n';
  return result ? EXIT_SUCCESS : EXIT_FAILURE;
}
