#include "support/tls_raw_client.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

namespace leat::testing {

TlsRawClient::TlsRawClient(RawClient socket)
    : socket_(std::move(socket)),
      context_(SSL_CTX_new(TLS_client_method())),
      ssl_(SSL_new(context_.get())) {
  // OpenSSL writes by write(), without MSG_NOSIGNAL.
  std::signal(SIGPIPE, SIG_IGN);
  SSL_set_fd(ssl_.get(), socket_.fd());
  char name[] = "example.org";
  SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name);
  connected_ = SSL_connect(ssl_.get()) == 1;
}

bool TlsRawClient::send(std::string_view bytes) {
  std::size_t done = 0;
  return bytes.empty() || SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &done) == 1;
}

std::string TlsRawClient::read(std::size_t count) {
  std::string bytes;
  std::array<char, 16384> buffer;
  while (bytes.size() < count) {
    const std::size_t want = std::min(buffer.size(), count - bytes.size());
    std::size_t got = 0;
    if (SSL_read_ex(ssl_.get(), buffer.data(), want, &got) != 1) break;
    bytes.append(buffer.data(), got);
  }
  return bytes;
}

bool TlsRawClient::saw_close_notify() const {
  return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

void TlsRawClient::finish_writing() {
  SSL_shutdown(ssl_.get());
  socket_.finish_writing();
}

}  // namespace leat::testing
