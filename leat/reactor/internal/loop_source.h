// Internal: what a loop looks at itself, because no descriptor tells of it.
#pragma once

namespace leat::internal {

/// Work that appears in memory: rings that another process fills. A loop has at most one, and calls
/// it on its own thread.
///
///     has_input()? --yes--> step 3 without waiting
///         | no
///     prepare_to_sleep()  (others now know that they must wake this thread; looks once more)
///         | true
///     wait by the poller --> woke_up() --> step 3: channels, then dispatch()
class LoopSource {
 public:
  virtual ~LoopSource() = default;

  /// Whether dispatch() has something to do. May take a while to find out (spinning).
  [[nodiscard]] virtual bool has_input() = 0;
  /// From its return on, whoever brings input wakes this thread through a descriptor of the
  /// poller's. False if there is input already: do not wait. woke_up() follows in either case.
  [[nodiscard]] virtual bool prepare_to_sleep() = 0;
  virtual void woke_up() = 0;
  /// In step 3, after the channels.
  virtual void dispatch() = 0;
};

}  // namespace leat::internal
