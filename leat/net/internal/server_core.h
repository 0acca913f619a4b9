// Internal: what a TcpServer is made of.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "leat/net/consistent_hash_group.h"
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
///
/// The descriptors of all listeners stay here until the stop; loops watch duplicates, so nothing
/// is lost when they stop doing so. server_core_listeners.cc has that part, and server_balance.cc
/// the choice between the listeners of a group.
class ServerCore : public std::enable_shared_from_this<ServerCore> {
 public:
  ServerCore(EventLoop& base, EventLoopThreadPool* shared_pool, TcpServerOptions options);
  ~ServerCore();

  [[nodiscard]] ConnectionCallbacks& callbacks();
  void serve(std::function<Task<>(TcpConnectionPtr)> handler);
  void on_loop_start(std::function<void(EventLoop&)> callback);

  Result<void> listen(const InetAddress& address);
  Result<void> listen(const InetAddress& address, ListenerSet& inherited);
  Result<void> start();
  Result<void> resize_loops(std::size_t count);
  [[nodiscard]] Result<ListenerSet> duplicate_listeners() const;
  void own_listeners();
  void disown_listeners();
  void stop(Duration deadline, TcpServer::StopCallback done);
  /// Waits until every loop has let go; nothing calls back afterwards.
  void tear_down();

  [[nodiscard]] EventLoop& base() const { return base_; }
  [[nodiscard]] const std::vector<InetAddress>& addresses() const { return addresses_; }
  [[nodiscard]] const std::vector<ListenerBalance>& balances() const { return balances_; }
  [[nodiscard]] bool is_started() const { return started_; }
  [[nodiscard]] const std::vector<std::shared_ptr<ServerLoop>>& loops() const { return loops_; }
  [[nodiscard]] std::size_t accepting_loops() const {
    return accepting_ == 0 ? serving_loops() : accepting_;
  }
  [[nodiscard]] const NetCounters& base_counters() const { return base_counters_; }

 private:
  using Batch = std::vector<ConnectedSocket>;
  /// A loop watches a duplicate, `fd`, of a listener's socket.
  struct Watch {
    std::size_t loop = 0;
    std::size_t socket = 0;
    int fd = -1;
  };
  /// A bound address: one descriptor, or one for each loop that there may be.
  struct Listener {
    InetAddress address;
    Balance balance = Balance::kKernelHash;
    std::vector<UniqueFd> sockets;
    std::string reason = {};                         ///< Why the balance is not the one asked for.
    std::unique_ptr<ConsistentHashGroup> hash = {};  ///< With kConsistentHash.
    bool removes_path = true;
    bool borrowed = false;  ///< Another process serves it too; see own_listeners().
    std::vector<Watch> watches = {};
  };
  struct StopAnswer;

  [[nodiscard]] std::size_t serving_loops() const;
  void know_pool();
  [[nodiscard]] std::size_t sockets_wanted(Balance balance) const;
  Result<Listener> bind_all(const InetAddress& address) const;
  Result<Listener> inherit_all(std::vector<ListenerSocket> inherited) const;
  Result<void> join_group(Listener& listener, std::size_t count) const;
  Result<void> serve_listener(Listener listener);
  Result<void> start_loops();
  void stop_loops();
  Result<void> accept_on(Listener& listener);
  Result<void> watch_as_planned(Listener& listener);
  Result<void> add_watches(Listener& listener, const std::vector<Watch>& plan);
  void drop_watches(Listener& listener, const std::function<bool(const Watch&)>& is_wanted);
  Result<void> resize(Listener& listener);
  void loop_ended(std::size_t index);
  void accept_for_ended_loop() const;
  [[nodiscard]] std::vector<std::size_t> takers() const;

  // The choice between listeners (server_balance.cc).
  [[nodiscard]] static bool has_group(Balance balance);
  [[nodiscard]] Balance balance_for(const InetAddress& address) const;
  Result<void> check_balance(const InetAddress& address) const;
  void apply_balance(Listener& listener);
  Result<void> apply_program(Listener& listener, Balance balance);
  Result<void> apply_incoming_cpu(const Listener& listener);
  Result<void> apply_consistent_hash(Listener& listener);
  void allow_migration(const Listener& listener) const;
  void note_balances();
  void tell_who_accepts() const;
  [[nodiscard]] CpuSet cpus_for_loops() const;

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
  std::vector<BoundUnixPath> unix_paths_;
  std::vector<Listener> listeners_;
  std::vector<ListenerBalance> balances_;  // of each, also after the stop
  std::vector<int> cpus_of_loops_;         // once incoming_cpu was verified
  bool disowned_ = false;                  // the listeners: another process serves them
  std::size_t accepting_ = 0;  // loops; 0: those of a pool that may not have been started yet
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
