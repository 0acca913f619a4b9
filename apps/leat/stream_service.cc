// leat serve --echo and --discard.

#include <utility>

#include <nlohmann/json.hpp>

#include "leat/net/receive_buffer.h"
#include "leat/net/tcp_connection.h"

#include "apps/leat/service.h"

namespace leat::app {

namespace {

class StreamService final : public Service {
 public:
  StreamService(EventLoop& base, const ServeOptions& options)
      : server_(base, server_options(options)) {
    // A client that does not read its echo is not read either, once the high-water mark is
    // reached: the connection does that by itself.
    if (options.echo) {
      server_.on_message([](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
        connection->send(input.view());
        input.consume_all();
      });
    } else {
      server_.on_message(
          [](const TcpConnectionPtr&, ReceiveBuffer& input, Timestamp) { input.consume_all(); });
    }
  }

  Result<void> listen(const InetAddress& address, ListenerSet& inherited) override {
    return server_.listen(address, inherited);
  }
  Result<void> start() override { return server_.start(); }
  void stop(Duration deadline, TcpServer::StopCallback done) override {
    server_.stop(deadline, std::move(done));
  }
  [[nodiscard]] TcpServer& server() override { return server_; }
  [[nodiscard]] nlohmann::ordered_json counters() const override {
    return nlohmann::ordered_json::object();
  }

 private:
  TcpServer server_;
};

}  // namespace

TcpServerOptions server_options(const ServeOptions& options) {
  TcpServerOptions result;
  result.name = "serve";
  result.loops = options.loops.count;
  result.cpus = options.loops.cpus;
  result.balance = options.balance;
  result.force_balance = options.force_balance;
  result.backlog = options.backlog;
  result.max_loops = options.max_loops;
  result.share_port = options.share_port;
  result.keep_listeners = !options.close_listeners;
  result.migrate_requests = options.migrate;
  result.first_input_grace = options.first_input_grace;
  const std::size_t loops = options.loops.count;
  result.max_connections_per_loop = (options.max_connections + loops - 1) / loops;
  result.tls = options.tls;
  if (options.idle_timeout >= Duration::zero()) {
    result.connection.idle_timeout = options.idle_timeout;
  }
  if (options.write_timeout >= Duration::zero()) {
    result.connection.write_timeout = options.write_timeout;
  }
  return result;
}

std::unique_ptr<Service> make_stream_service(EventLoop& base, const ServeOptions& options) {
  return std::make_unique<StreamService>(base, options);
}

}  // namespace leat::app
