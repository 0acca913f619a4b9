// Ends connections on which nothing happens, and reports: idle_reaper [ADDRESS [SECONDS]]

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <syncstream>

#include "leat/net/inet_address.h"
#include "leat/net/receive_buffer.h"
#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/event_loop_thread_pool.h"

using namespace std::chrono_literals;

namespace {

leat::Result<std::chrono::seconds> parse_seconds(const char* text) {
  int seconds = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, seconds);
  if (error != std::errc() || stop != end || seconds < 1) {
    return leat::Error::invalid_argument("'" + std::string(text) + "' is no number of seconds");
  }
  return std::chrono::seconds(seconds);
}

/// The counters are the loops' own; reading them costs the loops nothing and needs no lock.
void report(const leat::TcpServer& server) {
  std::uint64_t accepted = 0, open = 0, idle = 0;
  for (const leat::NetCounters* loop : server.counters()) {
    accepted += loop->accepted.load();
    open += loop->open.load();
    idle += loop->closed[static_cast<std::size_t>(leat::CloseReason::kIdleTimeout)].load();
  }
  std::osyncstream(std::cout) << "accepted " << accepted << ", open " << open << ", ended as idle "
                              << idle << '\n'
                              << std::flush;
}

leat::Result<void> run(const char* where, const char* limit) {
  const auto address = leat::InetAddress::parse(where);
  if (!address) return address.error();
  const auto seconds = parse_seconds(limit);
  if (!seconds) return seconds.error();
  const auto loop = leat::EventLoop::create();
  if (!loop) return loop.error();

  // One timer a connection, and no list to walk through: a byte only notes the time, and the timer,
  // when it fires, looks whether the deadline has moved.
  leat::TcpServer server(**loop, {.loops = leat::EventLoopThreadPool::one_per_cpu(),
                                  .connection = {.idle_timeout = *seconds}});
  server.on_message([](const auto& client, leat::ReceiveBuffer& input, auto) {
    // A limit of its own for one connection; zero would be none.
    if (input.view().starts_with("patience")) client->set_idle_timeout(10min);
    client->send(input.take_all());
  });
  server.on_close([](const auto& client, leat::CloseReason reason) {
    std::osyncstream(std::cout) << client->peer().to_string() << " ended: " << to_string(reason)
                                << '\n'
                                << std::flush;
  });
  (*loop)->run_every(*seconds, [&server] { report(server); });

  if (const auto listening = server.listen(*address); !listening) return listening;
  if (const auto started = server.start(); !started) return started;
  std::cout << "listening on " << server.addresses().front().to_string() << '\n' << std::flush;
  return (*loop)->loop();
}

}  // namespace

int main(int argc, char** argv) {
  const auto result = run(argc > 1 ? argv[1] : "127.0.0.1:7003", argc > 2 ? argv[2] : "60");
  if (!result) std::cerr << "idle_reaper: " << result.error().message() << '\n';
  return result ? EXIT_SUCCESS : EXIT_FAILURE;
}
