// Asio's UDP socket, after its example cpp11/echo/async_udp_echo_server.cpp: one datagram is
// received, answered, and the next is received. It knows neither recvmmsg() nor GSO nor GRO. The
// socket names its executor's type, as in echo_asio.cc.

#include <array>
#include <cstdio>
#include <exception>
#include <string>

#include "bench/net/server.h"
#include "bench/net/udp_server.h"
#include <asio.hpp>

namespace {

using asio::ip::udp;
using Socket = asio::basic_datagram_socket<udp, asio::io_context::executor_type>;

class Server {
 public:
  Server(asio::io_context& context, bool echo)
      : echo_(echo),
        socket_(context.get_executor(), udp::endpoint(asio::ip::address_v4::loopback(), 0)) {}

  void receive() {
    socket_.async_receive_from(asio::buffer(data_), peer_,
                               [this](const asio::error_code& error, std::size_t size) {
                                 const bool asks = !error && (echo_ || is_to_be_acknowledged(size));
                                 if (asks) return answer(echo_ ? size : 1);
                                 receive();
                               });
  }
  [[nodiscard]] unsigned port() const { return socket_.local_endpoint().port(); }

 private:
  [[nodiscard]] bool is_to_be_acknowledged(std::size_t size) const {
    return size > 0 && data_[0] == leat::bench::kAcknowledge;
  }
  void answer(std::size_t size) {
    socket_.async_send_to(asio::buffer(data_, size), peer_,
                          [this](const asio::error_code&, std::size_t) { receive(); });
  }

  const bool echo_;
  Socket socket_;
  udp::endpoint peer_;
  std::array<char, leat::bench::kReadSize> data_;
};

}  // namespace

int main(int count, char** arguments) {
  try {
    asio::io_context context(1);
    Server server(context, leat::bench::UdpServerMode(count, arguments).echo);
    server.receive();
    const std::string version = std::to_string(ASIO_VERSION / 100000) + "." +
                                std::to_string(ASIO_VERSION / 100 % 1000) + "." +
                                std::to_string(ASIO_VERSION % 100);
    leat::bench::announce(server.port(), "asio", version.c_str());
    context.run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_udp_asio: %s\n", e.what());
    return 1;
  }
}
