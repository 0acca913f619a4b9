#include "leat/http/http_server.h"

#include <algorithm>
#include <any>
#include <utility>

#include "leat/base/assert.h"
#include "leat/http/internal/http_core.h"
#include "leat/http/internal/http_session.h"
#include "leat/net/tcp_connection.h"

namespace leat::http {

using internal::HttpCore;
using internal::HttpSession;

namespace {

TcpServerOptions completed(TcpServerOptions tcp, const HttpOptions& options) {
  ConnectionOptions& connection = tcp.connection;
  if (connection.write_timeout == Duration::zero()) {
    connection.write_timeout = options.response_stall_time;
  }
  connection.receive_limit = std::max(connection.receive_limit, options.max_header_bytes);
  return tcp;
}

std::shared_ptr<HttpCore> make_core(const TcpServerOptions& tcp, const HttpOptions& options) {
  return std::make_shared<HttpCore>(options, tcp.connection.high_water_mark);
}

HttpSession& session_of(const TcpConnectionPtr& connection) {
  return *connection->context_as<std::shared_ptr<HttpSession>>();
}

}  // namespace

HttpServer::HttpServer(EventLoop& base, TcpServerOptions tcp, HttpOptions options)
    : core_(make_core(tcp, options)),
      tcp_(std::make_unique<TcpServer>(base, completed(std::move(tcp), options))) {
  install_callbacks();
}

HttpServer::HttpServer(EventLoop& base, EventLoopThreadPool& pool, TcpServerOptions tcp,
                       HttpOptions options)
    : core_(make_core(tcp, options)),
      tcp_(std::make_unique<TcpServer>(base, pool, completed(std::move(tcp), options))) {
  install_callbacks();
}

HttpServer::~HttpServer() = default;

void HttpServer::install_callbacks() {
  ConnectionCallbacks callbacks;
  callbacks.on_connection = [core = core_](const TcpConnectionPtr& connection) {
    auto session = std::make_shared<HttpSession>(*connection, core);
    connection->set_context(session);
    session->opened();
  };
  callbacks.on_message = [](const TcpConnectionPtr& connection, ReceiveBuffer&, Timestamp) {
    session_of(connection).received();
  };
  callbacks.on_write_complete = [](const TcpConnectionPtr& connection) {
    session_of(connection).drained(true);
  };
  callbacks.on_low_water = [](const TcpConnectionPtr& connection) {
    session_of(connection).drained(false);
  };
  callbacks.on_half_close = [](const TcpConnectionPtr& connection) {
    session_of(connection).half_closed();
  };
  callbacks.on_stopping = [](const TcpConnectionPtr& connection) {
    session_of(connection).stopping();
  };
  callbacks.on_close = [](const TcpConnectionPtr& connection, CloseReason) {
    // There is none if on_connection found no memory for it.
    if (connection->context().has_value()) session_of(connection).closed();
  };
  tcp_->set_callbacks(std::move(callbacks));
}

void HttpServer::handle(HttpHandler handler) {
  handle(std::string(), std::move(handler));
}

void HttpServer::handle(std::string path, HttpHandler handler) {
  LEAT_ASSERT(!tcp_->is_started(), "a handler set while the server runs");
  core_->add_route({std::move(path), std::move(handler), {}});
}

void HttpServer::handle_upload(std::string path, UploadHandler handler) {
  LEAT_ASSERT(!tcp_->is_started(), "a handler set while the server runs");
  core_->add_route({std::move(path), {}, std::move(handler)});
}

std::vector<const HttpCounters*> HttpServer::counters() const {
  return core_->counters();
}

}  // namespace leat::http
