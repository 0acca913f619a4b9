// Internal: the server whose connections are followed.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "leat/base/cpu_set.h"
#include "leat/base/result.h"
#include "leat/net/inet_address.h"
#include "leat/net/receive_buffer.h"
#include "leat/net/tcp_connection.h"
#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/event_loop_thread_pool.h"

#include "chain/chain_tally.h"
#include "chain/pieces.h"

namespace leat::testing {

/// Answers requests of ChainClients, a loop on each CPU. On the thread of `base`.
class ChainServer {
 public:
  ChainServer(EventLoop& base, const CpuSet& cpus, const Pieces& pieces);

  /// Binds in the calling thread's network namespace. Fails also if the balance cannot be had.
  Result<InetAddress> start(const char* address);
  /// Ends all; gives what was accepted.
  std::vector<AcceptedConnection> stop();

 private:
  /// Of a loop; only its thread writes there.
  struct alignas(64) Accepted {
    std::vector<AcceptedConnection> connections;
  };

  void note(const TcpConnection& connection);
  void answer(const TcpConnectionPtr& connection, ReceiveBuffer& input) const;
  void let_go() const;

  const std::vector<int> cpus_;
  const Pieces pieces_;
  const std::string large_;
  const std::string small_;
  std::vector<Accepted> accepted_;
  EventLoopThreadPool pool_;
  std::unique_ptr<TcpServer> server_;
};

}  // namespace leat::testing
