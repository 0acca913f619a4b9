// H2O as a library, after its own examples/libh2o/simple.c: one event loop of its own (the faster
// of the two it offers), and a handler whose constant answer is sent inline. The h2o program would
// have to read the answer from a file; this is what its authors' benchmarks use.

#include <h2o.h>
#include <h2o/http1.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "bench/net/server.h"

namespace {

// As the h2o program: a busy listener must not starve its connections.
constexpr int kAcceptedAtOnce = 16;

h2o_globalconf_t config;
h2o_context_t context;
h2o_accept_ctx_t accepting;

int answer(h2o_handler_t*, h2o_req_t* request) {
  if (!h2o_memis(request->method.base, request->method.len, H2O_STRLIT("GET"))) return -1;
  request->res.status = 200;
  request->res.reason = "OK";
  h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_CONTENT_TYPE, nullptr,
                 H2O_STRLIT("text/plain"));
  request->res.content_length = std::strlen(leat::bench::kHello);
  h2o_send_inline(request, leat::bench::kHello, request->res.content_length);
  return 0;
}

void on_accept(h2o_socket_t* listener, const char* error) {
  if (error != nullptr) return;
  for (int i = 0; i < kAcceptedAtOnce; ++i) {
    h2o_socket_t* socket = h2o_evloop_socket_accept(listener);
    if (socket == nullptr) return;
    h2o_accept(&accepting, socket);
  }
}

}  // namespace

int main() {
  std::signal(SIGPIPE, SIG_IGN);
  h2o_config_init(&config);
  // A connection rests between its turns.
  config.http1.req_timeout = std::uint64_t{3600} * 1000;
  h2o_hostconf_t* host =
      h2o_config_register_host(&config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
  h2o_pathconf_t* path = h2o_config_register_path(host, "/", 0);
  h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = answer;
  h2o_context_init(&context, h2o_evloop_create(), &config);
  accepting.ctx = &context;
  accepting.hosts = config.hosts;

  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd, generic, length) != 0 || ::listen(fd, leat::bench::kBacklog) != 0 ||
      ::getsockname(fd, generic, &length) != 0) {
    std::perror("bench_http_h2o");
    return 1;
  }
  h2o_socket_t* listener = h2o_evloop_socket_create(context.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
  h2o_socket_read_start(listener, on_accept);
  leat::bench::announce(ntohs(address.sin_port), "h2o", H2O_VERSION);
  while (h2o_evloop_run(context.loop, INT32_MAX) == 0) {
  }
  return 1;
}
