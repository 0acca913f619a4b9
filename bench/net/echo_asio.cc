// Asio's echo server, after its example cpp14/echo/async_tcp_echo_server.cpp: a session owns its
// buffer, reads some, writes all, reads again. Sockets name their executor's type, and the context
// knows that one thread runs it, which are the settings that its author offers for speed.

#include <array>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "bench/net/server.h"
#include <asio.hpp>

namespace {

using asio::ip::tcp;
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<tcp, Executor>;
using Listener = asio::basic_socket_acceptor<tcp, Executor>;

class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(Socket socket) : socket_(std::move(socket)) {}

  void start() {
    asio::error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    read();
  }

 private:
  void read() {
    socket_.async_read_some(
        asio::buffer(data_),
        [self = shared_from_this()](const asio::error_code& error, std::size_t size) {
          if (!error) self->write(size);
        });
  }

  void write(std::size_t size) {
    asio::async_write(socket_, asio::buffer(data_, size),
                      [self = shared_from_this()](const asio::error_code& error, std::size_t) {
                        if (!error) self->read();
                      });
  }

  Socket socket_;
  std::array<char, leat::bench::kReadSize> data_;
};

void accept(Listener& listener) {
  listener.async_accept([&listener](const asio::error_code& error, Socket socket) {
    if (!error) std::make_shared<Session>(std::move(socket))->start();
    accept(listener);
  });
}

}  // namespace

int main() {
  try {
    asio::io_context context(1);
    Listener listener(context.get_executor());
    const tcp::endpoint address(asio::ip::address_v4::loopback(), 0);
    listener.open(address.protocol());
    listener.set_option(tcp::acceptor::reuse_address(true));
    listener.bind(address);
    listener.listen(leat::bench::kBacklog);
    accept(listener);
    const std::string version = std::to_string(ASIO_VERSION / 100000) + "." +
                                std::to_string(ASIO_VERSION / 100 % 1000) + "." +
                                std::to_string(ASIO_VERSION % 100);
    leat::bench::announce(listener.local_endpoint().port(), "asio", version.c_str());
    context.run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_echo_asio: %s\n", e.what());
    return 1;
  }
}
