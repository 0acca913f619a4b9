// Public: signals as events of a loop.
#pragma once

#include <sys/signalfd.h>

#include <initializer_list>
#include <memory>
#include <span>
#include <utility>

#include "leat/base/move_only_function.h"
#include "leat/base/result.h"

namespace leat {

class EventLoop;

/// Receives signals through signalfd(2): the callback runs in step 3 of an iteration, where
/// everything is allowed, not in a signal handler.
///
/// A signal reaches the watcher only if no thread takes it first, so all threads must block it.
/// The watcher blocks it in the thread that makes it, the loop's; threads made after that inherit
/// this. So: make the watcher first, then other threads. The library's own threads block all
/// asynchronous signals in any case. A program that the process starts inherits the mask too
/// (man 7 signal); it should clear it before exec.
///
/// Each signal goes to one watcher only, so two of them should not share one. Standard signals do
/// not queue: two of a kind that arrive before the callback are one.
class SignalWatcher {
 public:
  /// `info` is described in signalfd(2); it tells the sender, among others.
  using Callback = MoveOnlyFunction<void(int signal, const signalfd_siginfo& info)>;

  /// On the loop's thread. Fails with EINVAL (no signal given, not a signal, SIGKILL or SIGSTOP,
  /// which nobody can block), EMFILE, ENFILE or ENOMEM; the mask is then as before.
  [[nodiscard]] static Result<std::unique_ptr<SignalWatcher>> create(EventLoop& loop,
                                                                     std::span<const int> signals,
                                                                     Callback callback);
  [[nodiscard]] static Result<std::unique_ptr<SignalWatcher>> create(
      EventLoop& loop, std::initializer_list<int> signals, Callback callback) {
    return create(loop, std::span<const int>(signals.begin(), signals.size()), std::move(callback));
  }

  /// On the loop's thread and before the loop's end; also from the callback. Unblocks what
  /// create() has blocked; a signal that waits then takes its ordinary effect, for nothing is lost.
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  struct State;
  explicit SignalWatcher(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace leat
