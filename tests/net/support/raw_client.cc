#include "support/raw_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "support/uninterrupted.h"

namespace leat::testing {

namespace {
constexpr timeval kLimit{.tv_sec = 20, .tv_usec = 0};
}

RawClient::RawClient(const InetAddress& server, int receive_buffer)
    : fd_(::socket(server.domain(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &kLimit, sizeof kLimit);
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &kLimit, sizeof kLimit);
  if (receive_buffer > 0) {
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  if (!uninterrupted_connect(fd_, server)) fd_.reset();
}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count =
        uninterrupted([&] { return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); });
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

std::string RawClient::read(std::size_t count) {
  std::string bytes;
  std::array<char, 65536> buffer;
  while (bytes.size() < count) {
    const std::size_t want = std::min(buffer.size(), count - bytes.size());
    const ssize_t got = uninterrupted([&] { return ::recv(fd_.get(), buffer.data(), want, 0); });
    if (got <= 0) break;
    bytes.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return bytes;
}

std::string RawClient::read_to_end() {
  return read(std::string::npos);
}

bool RawClient::sees_end() {
  char byte = 0;
  return uninterrupted([&] { return ::recv(fd_.get(), &byte, 1, 0); }) == 0;
}

bool RawClient::sees_reset() {
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t got =
        uninterrupted([&] { return ::recv(fd_.get(), buffer.data(), buffer.size(), 0); });
    if (got < 0) return errno == ECONNRESET;
    if (got == 0) return false;
  }
}

bool RawClient::readable_within(std::chrono::milliseconds limit) const {
  pollfd poll{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  return uninterrupted([&] { return ::poll(&poll, 1, static_cast<int>(limit.count())); }) > 0;
}

void RawClient::finish_writing() {
  ::shutdown(fd_.get(), SHUT_WR);
}

void RawClient::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fd_.reset();
}

std::string pattern(std::size_t count, unsigned seed) {
  std::string bytes(count, '\0');
  unsigned state = seed * 2654435761U + 1;
  for (char& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

}  // namespace leat::testing
