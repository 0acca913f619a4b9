#include "support/http_client.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstdlib>

#include "leat/http/internal/text.h"

#include "tests/net/support/uninterrupted.h"

namespace leat::http::testing {

using leat::testing::uninterrupted;
using leat::testing::uninterrupted_connect;

std::string Reply::header(std::string_view name) const {
  std::string found = "<none>";
  for (const auto& [field, value] : headers) {
    if (!internal::equal_ignoring_case(field, name)) continue;
    if (found != "<none>") return "<several>";
    found = value;
  }
  return found;
}

HttpClient::HttpClient(const InetAddress& server, int receive_buffer)
    : fd_(::socket(server.domain(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (receive_buffer > 0) {
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  const timeval limit{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (!uninterrupted_connect(fd_, server)) fd_.reset();
}

bool HttpClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count =
        uninterrupted([&] { return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); });
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool HttpClient::fill() {
  if (ended_ || broken_) return false;
  char bytes[16384];
  const ssize_t count = uninterrupted([&] { return ::recv(fd_.get(), bytes, sizeof bytes, 0); });
  if (count > 0) {
    buffer_.append(bytes, static_cast<std::size_t>(count));
    return true;
  }
  (count == 0 ? ended_ : broken_) = true;
  return false;
}

std::string HttpClient::take(std::size_t count) {
  while (buffer_.size() < count && fill()) {
  }
  std::string out = buffer_.substr(0, count);
  buffer_.erase(0, out.size());
  return out;
}

std::string HttpClient::take_line() {
  while (buffer_.find("\r\n") == std::string::npos && fill()) {
  }
  const std::size_t end = buffer_.find("\r\n");
  if (end == std::string::npos) return {};
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

Reply HttpClient::read_reply(bool to_head) {
  Reply reply;
  const std::string status = take_line();
  if (!status.starts_with("HTTP/1.1 ")) return reply;
  for (std::string line = take_line(); !line.empty(); line = take_line()) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) return reply;
    reply.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
  }
  reply.status = std::atoi(status.c_str() + 9);
  if (to_head || reply.status < 200 || reply.status == 204 || reply.status == 304) {
    reply.complete = true;
    return reply;
  }
  const std::string length = reply.header("Content-Length");
  if (reply.header("Transfer-Encoding") == "chunked") {
    read_chunks(reply);
  } else if (length != "<none>") {
    const auto size = static_cast<std::size_t>(std::strtoull(length.c_str(), nullptr, 10));
    reply.body = take(size);
    reply.complete = reply.body.size() == size;
  } else {
    reply.body = read_to_end();
    reply.complete = ended_;
  }
  return reply;
}

void HttpClient::read_chunks(Reply& reply) {
  reply.chunked = true;
  while (true) {
    const std::string line = take_line();
    if (line.empty()) return;
    const auto size = static_cast<std::size_t>(std::strtoull(line.c_str(), nullptr, 16));
    const std::string piece = take(size);
    reply.body += piece;
    if (piece.size() != size || take(2) != "\r\n") return;
    if (size == 0) {
      reply.complete = true;
      return;
    }
  }
}

Reply HttpClient::get(std::string_view target, std::string_view fields) {
  send(get_request(target, fields));
  return read_reply();
}

std::string HttpClient::read(std::size_t count) {
  return take(count);
}

std::string HttpClient::read_to_end() {
  while (fill()) {
  }
  return take(buffer_.size());
}

bool HttpClient::sees_end() {
  while (buffer_.empty() && fill()) {
  }
  return ended_ && buffer_.empty();
}

void HttpClient::finish_writing() {
  ::shutdown(fd_.get(), SHUT_WR);
}

void HttpClient::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fd_.reset();
}

std::string get_request(std::string_view target, std::string_view fields) {
  std::string out = "GET ";
  out.append(target).append(" HTTP/1.1\r\nHost: test\r\n").append(fields).append("\r\n");
  return out;
}

}  // namespace leat::http::testing
