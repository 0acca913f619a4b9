// Public: where a loop waits for descriptors.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"

namespace leat {

class Channel;

/// The kinds of Poller that can be asked for.
enum class PollerKind {
  kDefault,  ///< The best that this machine has: epoll.
  kEpoll,
};

/// Waits for the events of many channels. A poller belongs to one loop and its thread; only the
/// loop calls it. Readiness is level-triggered in every implementation.
class Poller {
 public:
  /// The channels that a poll found ready. A removed channel leaves a null pointer behind.
  using ReadyChannels = std::vector<Channel*>;

  Poller() = default;
  virtual ~Poller() = default;
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// Fails when the kernel refuses: EMFILE, ENFILE, ENOMEM.
  [[nodiscard]] static Result<std::unique_ptr<Poller>> create(PollerKind kind);

  /// The implementation's name, for logs: "epoll".
  [[nodiscard]] virtual std::string_view name() const = 0;

  /// Makes the kernel watch `channel.events()`: adds the channel or changes it.
  virtual Result<void> update(Channel& channel) = 0;
  /// Stops watching. The channel may be destroyed afterwards.
  virtual void remove(Channel& channel) = 0;

  /// Waits until a channel is ready or `timeout` has passed (none: for ever; zero: does not
  /// wait), and fills `ready`, replacing what it held. A signal ends the wait early with nothing.
  virtual Result<void> poll(std::optional<Duration> timeout, ReadyChannels& ready) = 0;
};

}  // namespace leat
