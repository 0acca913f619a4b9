// Public: a small HTTP/1.1 server.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/http/http_counters.h"
#include "leat/http/http_handler.h"
#include "leat/http/http_options.h"
#include "leat/net/inet_address.h"
#include "leat/net/tcp_server.h"

namespace leat::http {

namespace internal {
class HttpCore;
}

/// HTTP/1.0 and 1.1 by RFC 9110 and 9112, strictly: what is malformed gets an error and the
/// connection is closed. docs/http.md says what it does and what it does not.
///
///     leat::http::HttpServer server(*loop, {.loops = 4});
///     server.handle([](const auto& request, auto responder) {
///       responder.respond(HttpResponse::text("Hello, World!"));
///     });
///     server.listen(address).value();
///     server.start().value();
///
/// Threads and lifetime are those of TcpServer.
class HttpServer {
 public:
  /// `tcp.connection` gets a write_timeout if it has none, and room for a head in receive_limit.
  explicit HttpServer(EventLoop& base, TcpServerOptions tcp = {}, HttpOptions options = {});
  /// On the loops of a pool that others use too.
  HttpServer(EventLoop& base, EventLoopThreadPool& pool, TcpServerOptions tcp = {},
             HttpOptions options = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Handlers, before start(). A request goes to the handler of its very path; else to the longest
  // path ending in '/' that its path begins with; else to the one without path; else it gets 404.
  // Paths are compared as sent, percent-encoded.

  void handle(HttpHandler handler);
  void handle(std::string path, HttpHandler handler);
  /// Bodies come to the handler in pieces instead of being collected.
  void handle_upload(std::string path, UploadHandler handler);

  // As in TcpServer.

  Result<void> listen(const InetAddress& address) { return tcp_->listen(address); }
  Result<void> start() { return tcp_->start(); }
  /// Connections without a request are closed at once, others after their present response.
  void stop(Duration deadline, TcpServer::StopCallback done = {}) {
    tcp_->stop(deadline, std::move(done));
  }

  /// For addresses, counters and connections. Its callbacks are the HTTP server's own.
  [[nodiscard]] TcpServer& tcp() { return *tcp_; }
  [[nodiscard]] const TcpServer& tcp() const { return *tcp_; }
  /// One set a loop that has had a connection. Any thread, while the server lives.
  [[nodiscard]] std::vector<const HttpCounters*> counters() const;

 private:
  void install_callbacks();

  std::shared_ptr<internal::HttpCore> core_;
  std::unique_ptr<TcpServer> tcp_;
};

}  // namespace leat::http
