// An HTTP client as one coroutine: http_client ADDRESS [PATH] prints the answer's body.
//
// It reads like the protocol: connect, ask, read the head, read the body. Nothing blocks the loop,
// and the time limit around all of it cancels whatever it is waiting for at that moment.

#include <algorithm>
#include <charconv>
#include <iostream>

#include "leat/net/chunk.h"
#include "leat/net/connect.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/spawn.h"
#include "leat/reactor/with_timeout.h"

using namespace std::chrono_literals;

/// The value of Content-Length; without it the body ends with the connection (RFC 9112, 6.3).
std::size_t body_size(std::string head) {
  std::transform(head.begin(), head.end(), head.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::string field = "\r\ncontent-length:";
  const std::size_t found = head.find(field);
  if (found == std::string::npos) return static_cast<std::size_t>(-1);
  const std::size_t digits = head.find_first_not_of(' ', found + field.size());
  std::size_t size = 0;
  std::from_chars(head.data() + digits, head.data() + head.size(), size);
  return size;
}

/// By value: a coroutine outlives the call that made it, and so may what a reference refers to.
leat::Task<leat::Result<std::string>> get(leat::InetAddress server, std::string path) {
  leat::Result<leat::TcpConnectionPtr> connected = co_await leat::connect(server);
  if (!connected) co_return connected.error();
  const leat::TcpConnectionPtr connection = std::move(*connected);

  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: " + server.to_string() + "\r\nConnection: close\r\n\r\n";
  leat::Result<void> written = co_await connection->write(request);
  if (!written) co_return written.error();

  leat::Result<leat::Chunk> head = co_await connection->read_until("\r\n\r\n", 64 * 1024);
  if (!head) co_return head.error();
  std::size_t left = body_size(std::string(head->view()));
  std::string body;
  while (left > 0) {
    leat::Result<leat::Chunk> chunk = co_await connection->read();
    if (!chunk) co_return chunk.error();
    if (chunk->empty()) break;  // the peer has finished
    body.append(chunk->view());
    left -= std::min(left, chunk->size());
  }
  co_return body;
}

leat::Task<> print(leat::EventLoop& loop, leat::InetAddress server, std::string path, int& status) {
  const leat::Result<std::string> body = co_await leat::with_timeout(10s, get(server, path));
  status = body ? 0 : 1;
  if (body) std::cout << *body << std::flush;
  if (!body) std::cerr << "http_client: " << body.error().message() << '\n';
  loop.quit();
}

int main(int argc, char** argv) {
  const auto server = leat::InetAddress::parse(argc > 1 ? argv[1] : "127.0.0.1:8080").value();
  const auto loop = leat::EventLoop::create().value();
  int status = 1;
  const leat::TaskHandle task =
      leat::spawn(*loop, print(*loop, server, argc > 2 ? argv[2] : "/", status));
  loop->loop().value();
  return status;
}
