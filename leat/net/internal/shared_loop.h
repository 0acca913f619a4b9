// Internal: the connections of one loop that go through shared memory, or are about to.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/reactor/internal/loop_source.h"
#include "leat/smc/spin_budget.h"

namespace leat {
class EventLoop;
class TcpConnection;
}  // namespace leat

namespace leat::internal {

class SharedJoin;
class SharedTransport;

/// Looks at rings before the loop sleeps. A connection on which nothing has come for a while is
/// cold: it stays marked as asleep and costs nothing until a doorbell on its socket warms it.
///
///          add(), warm()                 kColdAfter rounds without input
///     ----------------------> [ hot ] ----------------------------------> [ cold, armed ]
///                                ^------------- warm(): a doorbell ------------+
class SharedLoop final : public LoopSource {
 public:
  /// The loop's, made at the first call. On the loop's thread.
  [[nodiscard]] static SharedLoop& of(EventLoop& loop);
  ~SharedLoop() override;

  void add(SharedTransport& transport);
  void remove(SharedTransport& transport);
  /// There may be something to read: looks at it in the next round.
  void warm(SharedTransport& transport);

  /// Tries to bring `connection` into shared memory, from now on at each round, until it is there,
  /// cannot be, or has ended.
  void join(const std::shared_ptr<TcpConnection>& connection, bool connects);

  [[nodiscard]] bool has_input() override;
  [[nodiscard]] bool prepare_to_sleep() override;
  void woke_up() override;
  void dispatch() override;

 private:
  SharedLoop();
  [[nodiscard]] bool spin();
  void drop_holes();

  std::vector<SharedTransport*> hot_;  // null where one was removed
  std::vector<std::unique_ptr<SharedJoin>> joins_;
  smc::SpinBudget budget_;
  smc::SpinConditions conditions_;
  bool dispatching_ = false;
};

}  // namespace leat::internal
