// Internal: a server's share of one loop.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "leat/base/unique_fd.h"
#include "leat/net/acceptor.h"
#include "leat/net/internal/connection_owner.h"
#include "leat/net/internal/connection_profile.h"
#include "leat/net/tcp_connection.h"
#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/spawn.h"
#include "leat/reactor/timer_id.h"

namespace leat::internal {

/// The connections that one server has on one loop, and the listeners that the loop watches for
/// it. Shared by the server and the tasks on their way to the loop; all methods belong to the
/// loop's thread unless they say "any thread". When the loop ends, so do its connections.
class ServerLoop final : public ConnectionOwner, public std::enable_shared_from_this<ServerLoop> {
 public:
  /// Told once that a stop is complete here.
  using StoppedCallback = std::function<void(const StopReport&)>;
  /// Told when a loop that was full has room again.
  using RoomCallback = std::function<void()>;
  using Peers = std::vector<std::shared_ptr<ServerLoop>>;

  ServerLoop(EventLoop& loop, std::size_t index, const TcpServerOptions& options,
             std::shared_ptr<const ConnectionProfile> profile);
  ~ServerLoop() override;

  /// Any thread.
  [[nodiscard]] EventLoop& loop() const { return loop_; }
  [[nodiscard]] const LoopHandle& handle() const { return handle_; }
  [[nodiscard]] const NetCounters& net_counters() const { return counters_; }
  /// Connections assigned to the loop and not yet closed, also those still on their way to it.
  [[nodiscard]] std::size_t load() const { return load_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool is_full() const;
  /// Announces `count` connections that will come by adopt().
  void expect(std::size_t count) { load_.fetch_add(count, std::memory_order_relaxed); }
  /// The same for one connection of another loop's. False if this one stops: then none may come.
  [[nodiscard]] bool reserve();

  /// All loops of the server, this one among them. Before attach().
  void know_peers(std::shared_ptr<const Peers> peers) { peers_ = std::move(peers); }
  /// Whether peers may give it what they have accepted. Any thread.
  void take_new(bool does) { takes_new_.store(does, std::memory_order_relaxed); }
  /// Gives what it accepts to loops that have less. Before accept_from().
  void balance_load() { balances_load_ = true; }
  /// Ends everything here when the loop ends, and then calls `ended`.
  void attach(LoopTask ended);
  /// Accepts from a listener of the loop's own, or from one shared with other loops.
  Result<void> accept_from(UniqueFd listener, bool shared);
  /// Undoes accept_from() of this descriptor; what it has accepted stays. With `drain` what waits
  /// in the queue is accepted before.
  void drop_acceptor(int listener, bool drain);
  /// Without having been told that anything does. It may pass the bound on connections.
  void accept_what_waits();
  /// Takes connections that were announced by expect().
  void adopt(std::vector<ConnectedSocket>&& sockets);
  void on_room(RoomCallback callback) { on_room_ = std::move(callback); }

  /// Accepts what waits (with `drain`), closes the listeners, asks the connections to finish, and
  /// calls back when none is left; at once if there is none.
  void stop(bool drain, StoppedCallback stopped);
  /// Cuts the connections that are left.
  void cut(CloseReason reason);
  /// Lets go of everything, without callbacks to the server.
  void tear_down(CloseReason reason);

  void for_each(const std::function<void(const TcpConnectionPtr&)>& visit);
  [[nodiscard]] TcpConnectionPtr find(std::uint64_t id) const;

  // ConnectionOwner
  void connection_ready(TcpConnection& connection) override;
  void connection_closed(TcpConnection& connection) override;
  NetCounters& counters() override { return counters_; }
  [[nodiscard]] Result<std::shared_ptr<ConnectionOwner>> reserve_on(EventLoop& target) override;
  void give_up_place() override;
  void connection_leaves(TcpConnection& connection) override;
  void connection_lands(const TcpConnectionPtr& connection) override;
  void connection_settled(TcpConnection& connection) override;

 private:
  [[nodiscard]] std::vector<TcpConnectionPtr> snapshot() const;
  [[nodiscard]] TcpConnectionPtr take_over(ConnectedSocket socket);
  [[nodiscard]] Task<> serve(TcpConnectionPtr connection);

  // Between loops (server_loop_balance.cc).
  void spread(std::vector<ConnectedSocket>&& sockets);
  [[nodiscard]] ServerLoop* lighter_peer() const;
  void hand_over(ServerLoop& peer, ConnectedSocket socket);
  void pause_if_full();
  void ask_to_finish(const TcpConnectionPtr& connection);
  void report_if_stopped();
  void note_room();

  EventLoop& loop_;
  const LoopHandle handle_;
  const std::size_t accept_batch_;
  const std::size_t max_connections_;  // 0: no bound
  const Duration first_input_grace_;
  const std::shared_ptr<const ConnectionProfile> profile_;
  NetCounters counters_;
  std::atomic<std::size_t> load_{0};
  /// Stops, or has ended: no reserve() succeeds any more.
  std::atomic<bool> refuses_{false};
  std::atomic<bool> takes_new_{true};
  std::shared_ptr<const Peers> peers_;
  bool balances_load_ = false;
  std::uint64_t next_id_;
  EventLoop::ExitId exit_id_ = 0;
  bool torn_down_ = false;
  bool stopping_ = false;
  bool cutting_ = false;
  bool paused_ = false;
  std::unordered_map<std::uint64_t, TcpConnectionPtr> connections_;
  std::unordered_map<std::uint64_t, TaskHandle> tasks_;  // of serve(), by connection
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  RoomCallback on_room_;
  StoppedCallback stopped_;
  StopReport report_;
  TimerId grace_timer_;                 // runs for those that
  std::vector<std::uint64_t> unheard_;  // had no input yet at the stop
  bool grace_is_over_ = false;
  std::uint64_t unsent_before_stop_ = 0;
};

}  // namespace leat::internal
