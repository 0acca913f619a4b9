// libuv's UDP handle with UV_UDP_RECVMMSG, its way to receive many datagrams in a system call: the
// buffer has room for as many as it takes at most. Answers are tried at once, one a system call;
// what the kernel does not take is dropped. It knows neither GSO nor GRO.

#include <netinet/in.h>
#include <uv.h>

#include <cstdio>
#include <vector>

#include "bench/net/server.h"
#include "bench/net/udp_server.h"

namespace {

// UV__MMSG_MAXWIDTH times UV__UDP_DGRAM_MAXSIZE of its source.
constexpr std::size_t kSlab = std::size_t{20} * 64 * 1024;

std::vector<char>& slab() {
  static std::vector<char> memory(kSlab);
  return memory;
}

void on_alloc(uv_handle_t*, std::size_t, uv_buf_t* buffer) {
  *buffer = uv_buf_init(slab().data(), static_cast<unsigned>(slab().size()));
}

void answer(uv_udp_t* socket, char* bytes, std::size_t size, const sockaddr* peer) {
  const uv_buf_t buffer = uv_buf_init(bytes, static_cast<unsigned>(size));
  (void)uv_udp_try_send(socket, &buffer, 1, peer);
}

void on_echo(uv_udp_t* socket, ssize_t size, const uv_buf_t* buffer, const sockaddr* peer,
             unsigned) {
  if (size >= 0 && peer != nullptr) {
    answer(socket, buffer->base, static_cast<std::size_t>(size), peer);
  }
}

void on_sink(uv_udp_t* socket, ssize_t size, const uv_buf_t* buffer, const sockaddr* peer,
             unsigned) {
  if (size <= 0 || peer == nullptr || *buffer->base != leat::bench::kAcknowledge) return;
  answer(socket, buffer->base, 1, peer);
}

}  // namespace

int main(int count, char** arguments) {
  const leat::bench::UdpServerMode mode(count, arguments);
  uv_loop_t* loop = uv_default_loop();
  uv_udp_t socket;
  uv_udp_init_ex(loop, &socket, AF_INET | UV_UDP_RECVMMSG);
  sockaddr_in address{};
  uv_ip4_addr("127.0.0.1", 0, &address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  int length = sizeof address;
  if (uv_udp_bind(&socket, generic, 0) < 0 ||
      uv_udp_recv_start(&socket, on_alloc, mode.echo ? on_echo : on_sink) < 0 ||
      uv_udp_getsockname(&socket, generic, &length) < 0) {
    std::fprintf(stderr, "bench_udp_libuv: cannot bind\n");
    return 1;
  }
  leat::bench::announce(ntohs(address.sin_port), "libuv", uv_version_string());
  return uv_run(loop, UV_RUN_DEFAULT);
}
