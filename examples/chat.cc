// A chat: chat [ADDRESS]. Your first line is your name, the others go to all: nc 127.0.0.1 7002
//
// The connections live on several loops. What belongs to one, its name, is its context, which only
// its own loop touches. What belongs to all, the names in use, is one table behind a mutex: with a
// table on each loop two people could have one name. What goes to all goes by
// for_each_connection(): one task a loop, and each connection is visited on its own thread.

#include <iostream>
#include <mutex>
#include <set>

#include "leat/net/inet_address.h"
#include "leat/net/receive_buffer.h"
#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"

struct Chat {
  // Whoever is 256 KiB behind with reading is cut off: so much, and no more, a guest can cost.
  explicit Chat(leat::EventLoop& base)
      : server(base, {.loops = 4,
                      .connection = {.high_water_mark = 64 * 1024,
                                     .low_water_mark = 16 * 1024,
                                     .max_buffered = 256 * 1024}}) {
    server.on_message([this](const auto& guest, auto& input, auto) { read_lines(guest, input); });
    server.on_close([this](const auto& guest, auto) {
      if (!guest->context().has_value()) return;  // It never told its name.
      const auto name = std::any_cast<std::string>(guest->context());
      tell_all("* " + name + " has left");
      const std::lock_guard lock(mutex);
      names.erase(name);
    });
  }

  void read_lines(const leat::TcpConnectionPtr& guest, leat::ReceiveBuffer& input) {
    while (guest->is_open()) {
      const std::size_t end = input.view().find('\n');
      // Without a bound, a line without an end would wait for ever in a full buffer.
      if (std::min(end, input.size()) > 1000) return guest->close();
      if (end == std::string_view::npos) return;  // It is there again when more has come.
      std::string line = input.take(end + 1);
      line.erase(line.find_last_not_of("\r\n") + 1);
      if (guest->context().has_value()) {
        tell_all(guest->context_as<std::string>() + ": " + line);
      } else if (!line.empty() && take_name(line)) {
        guest->set_context(line);
        tell_all("* " + line + " is here");
      } else {
        guest->send("* that name is taken, another please\n");
      }
    }
  }

  bool take_name(const std::string& name) {
    const std::lock_guard lock(mutex);
    return names.insert(name).second;
  }

  void tell_all(const std::string& line) {
    const auto text = std::make_shared<const std::string>(line + '\n');  // one copy for all
    server.for_each_connection([text](const leat::TcpConnectionPtr& guest) {
      if (guest->context().has_value()) guest->send(text, *text);
    });
  }

  std::mutex mutex;
  std::set<std::string> names;  // guarded by mutex
  leat::TcpServer server;       // last, so it is destroyed first; then no callback runs any more
};

int main(int argc, char** argv) {
  // value() ends the program with the error's message; echo.cc shows how to go on instead.
  const auto address = leat::InetAddress::parse(argc > 1 ? argv[1] : "127.0.0.1:7002").value();
  const auto loop = leat::EventLoop::create().value();
  Chat chat(*loop);
  chat.server.listen(address).value();
  chat.server.start().value();
  std::cout << "listening on " << chat.server.addresses().front().to_string() << '\n' << std::flush;
  loop->loop().value();
}
