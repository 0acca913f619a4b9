// Public: where a loop waits for descriptors.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/base/timestamp.h"
#include "leat/reactor/busy_poll.h"

namespace leat {

class Channel;
namespace internal {
class Uring;
}

/// The kinds of Poller that can be asked for.
enum class PollerKind {
  /// What the environment variable LEAT_POLLER says (epoll or uring), for all loops that ask for
  /// nothing else; without it, kUringIfPossible.
  kDefault,
  kEpoll,
  /// io_uring, or an error that says what the machine lacks.
  kUring,
  /// io_uring where the kernel has all that is needed and allows it (Linux 6.1), otherwise epoll;
  /// the log says once which, and why.
  kUringIfPossible,
};

/// Waits for the events of many channels. A poller belongs to one loop and its thread; only the
/// loop calls it. Readiness is level-triggered in every implementation.
class Poller {
 public:
  Poller() = default;
  virtual ~Poller() = default;
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// Fails when the kernel refuses: EMFILE, ENFILE, ENOMEM.
  [[nodiscard]] static Result<std::unique_ptr<Poller>> create(PollerKind kind);

  /// The implementation's name, for logs: "epoll" or "io_uring".
  [[nodiscard]] virtual std::string_view name() const = 0;

  /// Makes the kernel watch `channel.events()`: adds the channel or changes it.
  virtual Result<void> update(Channel& channel) = 0;
  /// Stops watching: afterwards the kernel holds nothing of the channel or its descriptor, and
  /// what was found of it and not yet called is forgotten.
  virtual void remove(Channel& channel) = 0;

  /// Waits until something is ready or `timeout` has passed (none: for ever; zero: does not wait),
  /// and returns how much was found. A signal ends the wait early with nothing. Also takes what is
  /// left of the last time, should an exception have ended its dispatch().
  virtual Result<std::size_t> poll(std::optional<Duration> timeout) = 0;
  /// Calls what the last poll() found, in the order in which the kernel reported it. An exception
  /// of a callback goes through, and what was not called yet is found again.
  virtual void dispatch(Timestamp poll_return_time) = 0;
  /// The loop returns to its caller and may not poll again: what waits for the next poll() to be
  /// handed to the kernel goes now.
  virtual void rest() {}

  /// Makes poll() look at the network card itself before it sleeps. Fails with ENOTSUP where the
  /// poller or the kernel has no such thing, with EPERM, and with EINVAL out of range; the message
  /// says what is missing.
  [[nodiscard]] virtual Result<void> set_busy_poll(const BusyPollOptions& options);

  /// The ring, for transports that work by completions; null on other pollers.
  [[nodiscard]] virtual internal::Uring* uring() { return nullptr; }
};

}  // namespace leat
