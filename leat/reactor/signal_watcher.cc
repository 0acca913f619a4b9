#include "leat/reactor/signal_watcher.h"

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include <fmt/core.h>

#include "leat/base/unique_fd.h"
#include "leat/reactor/channel.h"
#include "leat/reactor/event_loop.h"

namespace leat {

namespace {

// Signals of one iteration: a flood of real-time signals must not hold the loop.
constexpr int kMaxSignals = 64;

Result<sigset_t> set_of(std::span<const int> signals) {
  if (signals.empty()) return Error::invalid_argument("SignalWatcher: no signal given");
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) {
    // signalfd() would take these two and never report them.
    const bool blockable = signal != SIGKILL && signal != SIGSTOP;
    if (!blockable || sigaddset(&set, signal) != 0) {
      return Error::invalid_argument(fmt::format("SignalWatcher: {} cannot be watched", signal));
    }
  }
  return set;
}

/// Blocks signals in this thread, and unblocks those that it has blocked itself.
class BlockedSignals {
 public:
  explicit BlockedSignals(const sigset_t& wanted) {
    sigset_t before;
    ::pthread_sigmask(SIG_BLOCK, &wanted, &before);
    sigemptyset(&added_);
    for (int signal = 1; signal < NSIG; ++signal) {
      const bool added = sigismember(&wanted, signal) == 1 && sigismember(&before, signal) == 0;
      if (added) sigaddset(&added_, signal);
    }
  }
  ~BlockedSignals() { unblock(); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

  void unblock() {
    ::pthread_sigmask(SIG_UNBLOCK, &added_, nullptr);
    sigemptyset(&added_);
  }

 private:
  sigset_t added_{};
};

}  // namespace

/// Apart from the watcher, so that the watcher may be destroyed by its own callback.
struct SignalWatcher::State {
  State(EventLoop& loop, UniqueFd signal_fd, const sigset_t& signals, Callback callback_in)
      : blocked(signals),
        fd(std::move(signal_fd)),
        channel(loop, fd.get()),
        callback(std::move(callback_in)) {
    channel.on_read([this](Timestamp) { deliver(); });
  }

  /// One read a signal: what was read before a callback threw would be lost otherwise.
  void deliver() {
    signalfd_siginfo info;
    for (int i = 0; i < kMaxSignals && channel.is_watched(); ++i) {
      if (::read(fd.get(), &info, sizeof info) != sizeof info) return;
      callback(static_cast<int>(info.ssi_signo), info);
    }
  }

  BlockedSignals blocked;
  UniqueFd fd;
  Channel channel;
  Callback callback;
};

SignalWatcher::SignalWatcher(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<SignalWatcher>> SignalWatcher::create(EventLoop& loop,
                                                             std::span<const int> signals,
                                                             Callback callback) {
  loop.assert_in_loop_thread();
  const Result<sigset_t> set = set_of(signals);
  if (!set) return set.error();
  UniqueFd fd(::signalfd(-1, &*set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return Error::from_errno(errno, "signalfd");
  auto state = std::make_shared<State>(loop, std::move(fd), *set, std::move(callback));
  Result<void> watched = state->channel.enable_reading();
  if (!watched) return std::move(watched).error();
  return std::unique_ptr<SignalWatcher>(new SignalWatcher(std::move(state)));
}

SignalWatcher::~SignalWatcher() {
  state_->channel.remove();
  state_->blocked.unblock();
  EventLoop& loop = state_->channel.loop();
  loop.release_later(std::move(state_));
}

}  // namespace leat
