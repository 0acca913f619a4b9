// Internal: a blocking TLS client, OpenSSL over a plain socket.
#pragma once

#include <string>
#include <string_view>

#include "leat/net/internal/openssl_ptr.h"

#include "support/raw_client.h"

namespace leat::testing {

/// Trusts anybody, for what it looks at is the server's manners.
class TlsRawClient {
 public:
  explicit TlsRawClient(const InetAddress& server, int receive_buffer = 0)
      : TlsRawClient(RawClient(server, receive_buffer)) {}
  /// Goes on with a connection that has been used before.
  explicit TlsRawClient(RawClient socket);

  [[nodiscard]] bool connected() const { return connected_; }
  bool send(std::string_view bytes);
  /// Reads exactly `count` bytes, or fewer if the server finished.
  [[nodiscard]] std::string read(std::size_t count);
  [[nodiscard]] std::string read_to_end() { return read(std::string::npos); }
  /// Whether the last read() ended by close_notify.
  [[nodiscard]] bool saw_close_notify() const;
  /// close_notify; the server may go on.
  void finish_writing();
  [[nodiscard]] SSL* ssl() { return ssl_.get(); }
  [[nodiscard]] RawClient& socket() { return socket_; }

 private:
  RawClient socket_;
  internal::SslCtxPtr context_;
  internal::SslPtr ssl_;
  bool connected_ = false;
};

}  // namespace leat::testing
