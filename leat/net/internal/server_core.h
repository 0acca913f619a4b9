// Internal: what a TcpServer is made of.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "leat/net/internal/bound_unix_path.h"
#include "leat/net/internal/connection_profile.h"
#include "leat/net/internal/server_loop.h"
#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/event_loop_thread_pool.h"

namespace leat::internal {

/// Listeners, loops, and the stop. Lives on the base loop; tasks on their way there keep it, so
/// it may outlive its TcpServer for a moment, in which it calls nobody.
///
///     kRoundRobin            kKernelHash and others     kShared
///
///        listener            listener ... listener           listener
///           |                   |            |               |      |
///       base loop             loop 0  ...  loop n         loop 0 .. loop n
///       |       |                                         (EPOLLEXCLUSIVE)
///    loop 0 .. loop n
class ServerCore : public std::enable_shared_from_this<ServerCore> {
 public:
  ServerCore(EventLoop& base, EventLoopThreadPool* shared_pool, TcpServerOptions options);
  ~ServerCore();

  [[nodiscard]] ConnectionCallbacks& callbacks();
  void serve(std::function<Task<>(TcpConnectionPtr)> handler);
  void on_loop_start(std::function<void(EventLoop&)> callback);

  Result<void> listen(const InetAddress& address);
  Result<void> start();
  void stop(Duration deadline, TcpServer::StopCallback done);
  /// Waits until every loop has let go; nothing calls back afterwards.
  void tear_down();

  [[nodiscard]] EventLoop& base() const { return base_; }
  [[nodiscard]] const std::vector<InetAddress>& addresses() const { return addresses_; }
  [[nodiscard]] const std::vector<ListenerBalance>& balances() const { return balances_; }
  [[nodiscard]] bool is_started() const { return started_; }
  [[nodiscard]] const std::vector<std::shared_ptr<ServerLoop>>& loops() const { return loops_; }
  [[nodiscard]] const NetCounters& base_counters() const { return base_counters_; }

 private:
  using Batch = std::vector<ConnectedSocket>;
  /// A bound address: one descriptor, or one for each loop.
  struct Listener {
    InetAddress address;
    std::vector<UniqueFd> sockets;
    Balance balance;
    std::string reason;  // why it is not the one asked for
  };
  struct StopAnswer;

  [[nodiscard]] std::size_t serving_loops() const;

  // The choice between listeners (server_balance.cc).
  [[nodiscard]] static bool has_group(Balance balance);
  [[nodiscard]] Balance balance_for(const InetAddress& address) const;
  Result<void> check_balance(const InetAddress& address) const;
  void apply_balance(Listener& listener);
  Result<void> apply_incoming_cpu(const Listener& listener) const;
  [[nodiscard]] CpuSet cpus_for_loops() const;

  Result<Listener> bind_all(InetAddress& address) const;
  Result<void> start_loops();
  void stop_loops();
  Result<void> accept_on(Listener& listener);
  Result<void> accept_on_base(UniqueFd socket);
  void distribute(Batch&& sockets);
  void hand_over(std::size_t index, Batch&& batch);
  [[nodiscard]] std::optional<std::size_t> next_loop();
  void pause_if_all_full();
  void resume_base_acceptors();
  void report_stopped(const StopReport& report);
  void cut_rest();

  EventLoop& base_;
  EventLoopThreadPool* pool_;
  std::unique_ptr<EventLoopThreadPool> own_pool_;
  const TcpServerOptions options_;
  std::shared_ptr<ConnectionProfile> profile_;
  std::function<void(EventLoop&)> on_loop_start_;
  std::vector<InetAddress> addresses_;
  std::vector<ListenerBalance> balances_;  // of each address
  std::vector<BoundUnixPath> unix_paths_;
  std::vector<Listener> listeners_;  // not yet accepting
  std::vector<std::shared_ptr<ServerLoop>> loops_;
  std::vector<std::unique_ptr<Acceptor>> base_acceptors_;
  NetCounters base_counters_;
  std::vector<Batch> shares_;  // of what was just accepted, by loop
  std::vector<bool> loop_has_ended_;
  std::size_t next_ = 0;
  bool started_ = false;
  bool base_paused_ = false;
  bool torn_down_ = false;

  // The stop.
  bool stopping_ = false;
  std::size_t loops_to_stop_ = 0;
  MonotonicTime stop_due_;
  TimerId stop_timer_;
  StopReport stop_report_;
  std::vector<TcpServer::StopCallback> stop_callbacks_;
};

}  // namespace leat::internal
