// Internal: a connection on its way into shared memory.
#pragma once

#include <cstdint>
#include <memory>

#include "leat/net/internal/shared_process.h"
#include "leat/smc/broker_client.h"
#include "leat/smc/link.h"

namespace leat {
class TcpConnection;
}

namespace leat::internal {

/// The shared memory of a connection, with its row in the process page.
struct SharedMemory {
  SlotLease slot;
  smc::Link link;
};

/// Offers the connection to the broker, and carries out the proof when the peer has come.
///
///     offer --pending--> [matched changes] --> fetch --> attach --> prove --ready--> the
///     connection's
///        |                                                            |
///        +----- refused, the connection has ended ----> over <--------+
class SharedJoin {
 public:
  /// Asks the broker; on the loop's thread, as all of this. `connects`: the connection was made
  /// from here.
  SharedJoin(std::shared_ptr<TcpConnection> connection, SharedProcess& process, bool connects);

  ~SharedJoin();
  SharedJoin(const SharedJoin&) = delete;
  SharedJoin& operator=(const SharedJoin&) = delete;

  /// One step, as far as it goes without waiting. True when it is over, in whatever way.
  [[nodiscard]] bool step();
  /// The connection has got bytes by TCP, which its user has not seen yet.
  void input_came();

 private:
  [[nodiscard]] bool take(const smc::Answer& answer, int socket);
  [[nodiscard]] bool refuse(smc::FallbackReason reason);
  [[nodiscard]] bool look_elsewhere(int socket);
  void wait(smc::FallbackReason reason);

  std::weak_ptr<TcpConnection> connection_;
  SharedProcess& process_;
  std::unique_ptr<SharedMemory> memory_;
  smc::Offer offer_;
  std::uint32_t matched_ = 0;  // as the slot had it when the broker was asked last
  bool connects_;
  bool over_ = false;
};

}  // namespace leat::internal
