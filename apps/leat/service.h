// Internal: what `leat serve` can serve, and how it was asked to.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/net/inet_address.h"
#include "leat/net/listener_set.h"
#include "leat/net/tcp_server.h"
#include "leat/net/tls_context.h"
#include "leat/reactor/event_loop.h"

#include "apps/leat/threads.h"

namespace leat::app {

struct ServeOptions {
  std::vector<InetAddress> listen;
  Threads loops;
  std::size_t max_loops = 0;  ///< 0: as many as there are.
  Balance balance = Balance::kKernelHash;
  bool force_balance = false;
  bool share_port = false;
  bool close_listeners = false;
  bool migrate = false;
  std::string takeover;  ///< Path; empty: none.
  std::size_t max_connections = 0;
  Duration idle_timeout{-1};   ///< Negative: what the service finds right.
  Duration write_timeout{-1};  ///< As well.
  int backlog = 4096;
  Duration drain_timeout = std::chrono::seconds(10);
  Duration first_input_grace = std::chrono::seconds(1);
  bool json = false;
  bool echo = false;
  bool discard = false;
  std::string directory;
  std::vector<TlsCertificateFiles> certificates;  ///< None: no TLS.
  std::shared_ptr<TlsContext> tls;                ///< Made of them.
};

/// A server on all loops, made and destroyed on the base loop.
class Service {
 public:
  Service() = default;
  virtual ~Service() = default;
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  virtual Result<void> listen(const InetAddress& address, ListenerSet& inherited) = 0;
  virtual Result<void> start() = 0;
  virtual void stop(Duration deadline, TcpServer::StopCallback done) = 0;
  [[nodiscard]] virtual TcpServer& server() = 0;
  /// What it counts beside server(): {} or for example {"requests": 12}.
  [[nodiscard]] virtual nlohmann::ordered_json counters() const = 0;
};

/// --echo and --discard.
[[nodiscard]] std::unique_ptr<Service> make_stream_service(EventLoop& base,
                                                           const ServeOptions& options);
/// Files over HTTP. Fails if the directory cannot be served.
[[nodiscard]] Result<std::unique_ptr<Service>> make_http_service(EventLoop& base,
                                                                 const ServeOptions& options);

/// What both kinds take from the options.
[[nodiscard]] TcpServerOptions server_options(const ServeOptions& options);

}  // namespace leat::app
