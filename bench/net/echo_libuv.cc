// libuv's echo server: reads go to a slab that is used again, as in its own benchmark-pump.c and
// with the 64 KiB that it suggests; a write is tried at once, and only what the kernel does not
// take is copied and queued.

#include <netinet/in.h>
#include <uv.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "bench/net/server.h"

namespace {

struct Write {
  uv_write_t request;
  std::unique_ptr<char[]> bytes;
};

std::vector<char>& slab() {
  static std::vector<char> memory(leat::bench::kReadSize);
  return memory;
}

void on_closed(uv_handle_t* handle) {
  delete reinterpret_cast<uv_tcp_t*>(handle);
}

void close(uv_stream_t* stream) {
  auto* handle = reinterpret_cast<uv_handle_t*>(stream);
  if (uv_is_closing(handle) == 0) uv_close(handle, on_closed);
}

void on_alloc(uv_handle_t*, std::size_t, uv_buf_t* buffer) {
  *buffer = uv_buf_init(slab().data(), static_cast<unsigned>(slab().size()));
}

void on_written(uv_write_t* request, int status) {
  const std::unique_ptr<Write> write(static_cast<Write*>(request->data));
  if (status < 0) close(request->handle);
}

void write_rest(uv_stream_t* stream, const char* bytes, std::size_t size) {
  auto write = std::make_unique<Write>();
  write->bytes = std::make_unique<char[]>(size);
  std::memcpy(write->bytes.get(), bytes, size);
  write->request.data = write.get();
  const uv_buf_t rest = uv_buf_init(write->bytes.get(), static_cast<unsigned>(size));
  uv_write_t* request = &write.release()->request;
  if (uv_write(request, stream, &rest, 1, on_written) < 0) on_written(request, UV_EPIPE);
}

void on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
  if (count < 0) close(stream);
  if (count <= 0) return;
  const auto size = static_cast<std::size_t>(count);
  const uv_buf_t bytes = uv_buf_init(buffer->base, static_cast<unsigned>(size));
  const int result = uv_try_write(stream, &bytes, 1);
  if (result < 0 && result != UV_EAGAIN) {
    close(stream);
    return;
  }
  const std::size_t written = result < 0 ? 0 : static_cast<std::size_t>(result);
  if (written < size) write_rest(stream, buffer->base + written, size - written);
}

void on_connection(uv_stream_t* listener, int status) {
  if (status < 0) return;
  auto* connection = new uv_tcp_t;
  uv_tcp_init(listener->loop, connection);
  auto* stream = reinterpret_cast<uv_stream_t*>(connection);
  if (uv_accept(listener, stream) < 0) {
    close(stream);
    return;
  }
  uv_tcp_nodelay(connection, 1);
  uv_read_start(stream, on_alloc, on_read);
}

}  // namespace

int main() {
  uv_loop_t* loop = uv_default_loop();
  uv_tcp_t listener;
  uv_tcp_init(loop, &listener);
  sockaddr_in address{};
  uv_ip4_addr("127.0.0.1", 0, &address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  int length = sizeof address;
  if (uv_tcp_bind(&listener, generic, 0) < 0 ||
      uv_listen(reinterpret_cast<uv_stream_t*>(&listener), leat::bench::kBacklog, on_connection) <
          0 ||
      uv_tcp_getsockname(&listener, generic, &length) < 0) {
    std::fprintf(stderr, "bench_echo_libuv: cannot listen\n");
    return 1;
  }
  leat::bench::announce(ntohs(address.sin_port), "libuv", uv_version_string());
  return uv_run(loop, UV_RUN_DEFAULT);
}
