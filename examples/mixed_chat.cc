// A chat with two doors: mixed_chat [ADDRESS [ADDRESS]]. Guests of the first are served by
// callbacks, those of the second by a coroutine each, and all are in one room on one loop.
//
// Both ways stand on the same connections, so a program may use for each part the one that reads
// better: here the lines of a guest are a loop in a coroutine, and pieces of input in a callback.

#include <iostream>
#include <set>

#include "leat/net/chunk.h"
#include "leat/net/receive_buffer.h"
#include "leat/net/tcp_connection.h"
#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/task.h"

constexpr std::size_t kLongestLine = 1000;

struct Room {
  void tell_all(std::string_view line) {
    for (const leat::TcpConnectionPtr& guest : guests) guest->send(line);
  }
  std::set<leat::TcpConnectionPtr> guests;
};

/// The side of callbacks: input comes in pieces, and what is left of one is there with the next.
void serve_by_callbacks(leat::TcpServer& server, Room& room) {
  server.on_connection([&room](const auto& guest) { room.guests.insert(guest); });
  server.on_close([&room](const auto& guest, auto) { room.guests.erase(guest); });
  server.on_message([&room](const auto& guest, leat::ReceiveBuffer& input, auto) {
    for (;;) {
      const std::size_t end = input.view().find('\n');
      if (std::min(end, input.size()) > kLongestLine) return guest->close();
      if (end == std::string_view::npos) return;
      room.tell_all(input.take(end + 1));
    }
  });
}

/// The side of coroutines: one for each guest, from the first line to the last. When the guest has
/// gone or the server stops, a read fails or is empty, and the coroutine ends.
leat::Task<> talk(Room& room, leat::TcpConnectionPtr guest) {
  room.guests.insert(guest);
  for (;;) {
    leat::Result<leat::Chunk> line = co_await guest->read_until("\n", kLongestLine);
    if (!line || !line->view().ends_with('\n')) break;
    room.tell_all(line->view());
  }
  room.guests.erase(guest);
}

int main(int argc, char** argv) {
  const auto address = [&](int i, const char* usual) {
    return leat::InetAddress::parse(argc > i ? argv[i] : usual).value();
  };
  const auto loop = leat::EventLoop::create().value();
  Room room;
  leat::TcpServer callbacks(*loop);
  serve_by_callbacks(callbacks, room);
  callbacks.listen(address(1, "127.0.0.1:7003")).value();
  callbacks.start().value();
  leat::TcpServer coroutines(*loop);
  coroutines.serve([&room](leat::TcpConnectionPtr guest) { return talk(room, guest); });
  coroutines.listen(address(2, "127.0.0.1:0")).value();
  coroutines.start().value();
  std::cout << "coroutines on " << coroutines.addresses().front().to_string() << '\n'
            << "listening on " << callbacks.addresses().front().to_string() << '\n'
            << std::flush;
  loop->loop().value();
}
