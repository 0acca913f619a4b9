// leat serve DIR: files over HTTP.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "leat/http/http_server.h"
#include "leat/http/static_files.h"
#include "leat/reactor/blocking_pool.h"

#include "apps/leat/serve_counters.h"
#include "apps/leat/service.h"

namespace leat::app {

namespace {

using http::HttpRequest;
using http::HttpResponder;
using http::HttpResponse;

http::HttpOptions http_options(const ServeOptions& options) {
  http::HttpOptions result;
  if (options.idle_timeout >= Duration::zero()) result.idle_time = options.idle_timeout;
  // Zero too: the server would put its own limit in the place of the connection's.
  if (options.write_timeout >= Duration::zero()) {
    result.response_stall_time = options.write_timeout;
  }
  return result;
}

/// HttpServer has a limit of its own for connections without a request; the connection's would
/// also cut a handler that takes its time.
TcpServerOptions tcp_options(const ServeOptions& options) {
  TcpServerOptions result = server_options(options);
  result.connection.idle_timeout = Duration::zero();
  return result;
}

class HttpService final : public Service {
 public:
  HttpService(EventLoop& base, const ServeOptions& options)
      : server_(base, tcp_options(options), http_options(options)) {
    // Below a name with a dot, which StaticFiles does not serve, so that they hide no file.
    server_.handle("/.leat/plaintext", [](const HttpRequest&, HttpResponder responder) {
      responder.respond(HttpResponse::text("Hello, World!"));
    });
    server_.handle("/.leat/health", [](const HttpRequest&, HttpResponder responder) {
      responder.respond(HttpResponse::text("ok\n"));
    });
    server_.handle("/.leat/counters", [this](const HttpRequest& request, HttpResponder responder) {
      const InetAddress& peer = request.peer();
      if (peer.is_ip() && !peer.is_loopback()) {
        responder.respond(HttpResponse::text("for clients on the same machine only\n", 403));
        return;
      }
      nlohmann::ordered_json json = server_counters(server_.tcp());
      json.update(counters());
      responder.respond(HttpResponse::json(json.dump(1) + "\n"));
    });
  }

  Result<void> serve_files(const std::string& directory) {
    http::StaticFilesOptions options;
    options.list_directories = true;
    Result<http::StaticFiles> files = http::StaticFiles::create(directory, cold_files_, options);
    if (!files) return std::move(files).error();
    server_.handle(*std::move(files));
    return {};
  }

  Result<void> listen(const InetAddress& address, ListenerSet& inherited) override {
    return server_.tcp().listen(address, inherited);
  }
  Result<void> start() override { return server_.start(); }
  void stop(Duration deadline, TcpServer::StopCallback done) override {
    server_.stop(deadline, std::move(done));
  }
  [[nodiscard]] TcpServer& server() override { return server_.tcp(); }

  [[nodiscard]] nlohmann::ordered_json counters() const override {
    std::uint64_t requests = 0;
    std::uint64_t rejected = 0;
    std::uint64_t timeouts = 0;
    std::array<std::uint64_t, 6> responses{};
    for (const http::HttpCounters* loop : server_.counters()) {
      requests += loop->requests.load();
      rejected += loop->rejected.load();
      timeouts += loop->timeouts.load();
      for (std::size_t i = 0; i < responses.size(); ++i) responses[i] += loop->responses[i].load();
    }
    nlohmann::ordered_json by_status = nlohmann::ordered_json::object();
    for (std::size_t i = 1; i < responses.size(); ++i) {
      if (responses[i] != 0) by_status[fmt::format("{}xx", i)] = responses[i];
    }
    return {{"requests", requests},
            {"rejected", rejected},
            {"timeouts", timeouts},
            {"responses", std::move(by_status)}};
  }

 private:
  BlockingPool cold_files_{{.name = "files"}};  // before the server: it outlives it
  http::HttpServer server_;
};

}  // namespace

Result<std::unique_ptr<Service>> make_http_service(EventLoop& base, const ServeOptions& options) {
  auto service = std::make_unique<HttpService>(base, options);
  if (Result<void> served = service->serve_files(options.directory); !served) {
    return std::move(served).error();
  }
  return std::unique_ptr<Service>(std::move(service));
}

}  // namespace leat::app
