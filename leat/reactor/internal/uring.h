// Internal: one io_uring and the operations in it.
#pragma once

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/base/unique_fd.h"
#include "leat/reactor/busy_poll.h"
#include "leat/reactor/internal/uring_buffers.h"
#include "leat/reactor/internal/uring_operation.h"

namespace leat::internal {

/// Requests are gathered and go to the kernel together, with the wait of the loop. Answers are
/// reaped after it and dispatched in the kernel's order. Belongs to the thread that made it.
///
///     entry() ... submit()      poll()                          dispatch()
///     +---------------+   io_uring_enter   +--------------+    +-----------------+
///     | submission    |------------------->| completions  |--->| op->complete()  |
///     | queue         |    (and waits)     | reaped       |    | for each        |
///     +---------------+                    +--------------+    +-----------------+
///
/// Set up as docs/decisions/io-uring.md says: SINGLE_ISSUER and DEFER_TASKRUN, so that the kernel
/// works on this ring only when its thread asks, and never interrupts it.
class Uring {
 public:
  /// Fails with what is missing: ENOSYS or EPERM (no io_uring, or not allowed), EINVAL or
  /// EOPNOTSUPP (a kernel before 6.1), ENOMEM.
  [[nodiscard]] static Result<std::unique_ptr<Uring>> create();

  /// Cancels what is in flight and waits until the kernel has let go of all of it; not for ever,
  /// for a completion that the kernel had no memory to keep never comes.
  ~Uring();
  Uring(const Uring&) = delete;
  Uring& operator=(const Uring&) = delete;

  // Requests.

  /// A free entry, to be filled in by io_uring_prep_*() and given to submit() at once.
  [[nodiscard]] io_uring_sqe& entry();
  /// Hands `entry` in for `operation`, with the next submission.
  void submit(io_uring_sqe& entry, UringOperation& operation);
  /// Asks the kernel to give up an operation in flight; its last completion follows as ever, mostly
  /// with -ECANCELED.
  void cancel(UringOperation& operation);
  /// A request without an operation: only its effect matters.
  void submit_unheard(io_uring_sqe& entry);
  /// Closes `descriptor` after all that was handed in before has begun: those requests find it.
  void close_later(UniqueFd descriptor);
  /// Hands in what is gathered and lets the kernel finish what is cancelled, without waiting.
  void flush();
  /// No poll() may follow soon: hands in what is gathered.
  void rest();
  /// Whether nobody may call poll() soon, so that what is not to wait needs a flush().
  [[nodiscard]] bool is_resting() const { return resting_; }

  // The loop's part.

  /// As Poller::set_busy_poll(); io_uring has no budget to be set (ENOTSUP).
  Result<void> set_busy_poll(const BusyPollOptions& options);

  /// Submits, waits (see Poller::poll) and reaps. Returns how many completions wait to be
  /// dispatched. Fails, from then on always, when the kernel refuses (EPERM: a filter that came
  /// later) or has lost a completion for want of memory (EBADR).
  Result<std::size_t> poll(std::optional<Duration> timeout);
  void dispatch();
  /// While a completion of `operation` is dispatched: whether the next one brings it more input.
  [[nodiscard]] bool next_receives(const UringOperation& operation) const;

  /// Memory for receiving; shared by all operations of the ring.
  [[nodiscard]] UringBuffers& buffers() { return buffers_; }

  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }

 private:
  static constexpr unsigned kSubmissions = 512;
  static constexpr unsigned kCompletions = 4096;

  struct Completion {
    UringOperation* operation;
    int result;
    std::uint32_t flags;
  };

  Uring();

  Result<void> open();

  Result<void> probe();
  void drain();
  [[nodiscard]] bool forget_dispatched();
  int enter(std::optional<Duration> timeout);
  void note_error(int entered);
  void hand_in_rest();
  [[nodiscard]] bool reap();
  void reap_all();
  void note(const io_uring_cqe& answer);

  io_uring ring_{};
  bool is_open_ = false;
  bool resting_ = true;
  int error_ = 0;                       // an errno value: the kernel does not do its part any more
  std::unique_ptr<io_uring_sqe> lost_;  // for what cannot be handed in any more
  UringBuffers buffers_;
  std::size_t in_flight_ = 0;
  std::vector<Completion> completions_;  // reaped; from next_ on not dispatched
  std::size_t next_ = 0;
};

}  // namespace leat::internal
