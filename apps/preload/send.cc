#include "apps/preload/send.h"

#include <errno.h>
#include <poll.h>

#include "apps/preload/lane_lock.h"
#include "apps/preload/native_scope.h"
#include "apps/preload/options.h"
#include "apps/preload/output.h"
#include "apps/preload/raw.h"
#include "apps/preload/real.h"
#include "apps/preload/scatter.h"

namespace leat::preload {
namespace {

constexpr std::size_t kParts = 64;

/// One call of the program.
class SendCall {
 public:
  SendCall(Connection& connection, int fd, const msghdr& message, int flags)
      : connection_(connection),
        fd_(fd),
        message_(message),
        flags_(flags),
        scatter_(message.msg_iov, message.msg_iovlen) {}

  ssize_t run();

 private:
  [[nodiscard]] bool is_for_kernel() const {
    return message_.msg_controllen != 0 || (flags_ & (MSG_OOB | MSG_ZEROCOPY | MSG_FASTOPEN)) != 0;
  }
  [[nodiscard]] bool may_block() const {
    return (flags_ & MSG_DONTWAIT) == 0 && raw::is_blocking(fd_);
  }
  ssize_t send_natively(LaneLock& lock, bool left_ring);
  ssize_t kernel_sends_rest();

  Connection& connection_;
  int fd_;
  const msghdr& message_;
  int flags_;
  Scatter scatter_;
};

ssize_t SendCall::run() {
  if (is_for_kernel()) (void)fold_output(connection_, fd_);
  for (;;) {
    OutputLock lock(connection_, fd_);
    // A signal handler in the middle of this very thread's send: it cannot wait for itself.
    if (!lock.is_held()) return may_block() ? -EINTR : -EAGAIN;
    Output output(connection_, fd_);
    if (output.settle() == Output::Settled::kWouldBlock) {
      lock.release();
      if (!may_block()) return -EAGAIN;
      pollfd room{fd_, POLLOUT, 0};
      if (real::poll(&room, nfds_t{1}, -1) < 0) return -errno;
      continue;
    }
    if (!output.in_ring() && !output.enter_ring()) return send_natively(lock, false);
    if (scatter_.total() == 0) return 0;
    output.look_after_peer();
    if (!output.in_ring()) return send_natively(lock, true);
    if (connection_.big_ring_used_ms.load(std::memory_order_relaxed) != 0) {
      output.give_back_idle_ring();
    }
    output.fill(scatter_.left(), [this](std::span<char> room) {
      scatter_.take(room.data(), room.size());
      return room.size();
    });
    ++connection_.mine().tx_messages;
    if (output.sender().fold_wanted()) {
      // It may have frozen its input just before these bytes came.
      lock.release();
      answer_fold(connection_, fd_);
    }
    if (scatter_.left() == 0) return static_cast<ssize_t>(scatter_.done());
    if (!lock.is_held()) continue;
    if (may_block() && output.wait_for_room(scatter_.left())) continue;
    if (output.leave_ring()) return send_natively(lock, true);
    // The kernel has no count for a socket that is lost, and will say so itself.
    if (output.sender().may_leave()) return send_natively(lock, false);
    // A peer that has taken none of eight spans and reads nothing: nobody honest does that.
    if (!may_block()) return scatter_.done() != 0 ? static_cast<ssize_t>(scatter_.done()) : -EAGAIN;
    lock.release();
    (void)raw::poll_one(fd_, POLLRDHUP, 1);
  }
}

// The lock is not held while the kernel may block; the count keeps the lane what it is.
ssize_t SendCall::send_natively(LaneLock& lock, bool left_ring) {
  const NativeScope scope(connection_.slot()->native_writers);
  lock.release();
  const auto before = static_cast<ssize_t>(scatter_.done());
  const ssize_t result = kernel_sends_rest();
  if (left_ring) wake_by_futex(connection_);
  if (result < 0) return before != 0 ? before : result;
  return before + result;
}

ssize_t SendCall::kernel_sends_rest() {
  ssize_t sum = 0;
  do {
    iovec parts[kParts];
    msghdr rest = message_;
    rest.msg_iov = parts;
    rest.msg_iovlen = scatter_.rest(parts, kParts, scatter_.left());
    std::size_t offered = 0;
    for (std::size_t i = 0; i < rest.msg_iovlen; ++i) offered += parts[i].iov_len;
    const ssize_t sent = real::sendmsg(fd_, &rest, flags_);
    if (sent < 0) return sum != 0 ? sum : -errno;
    sum += sent;
    scatter_.advance(static_cast<std::size_t>(sent));
    if (static_cast<std::size_t>(sent) < offered) break;
  } while (scatter_.left() != 0);
  return sum;
}

}  // namespace

ssize_t send(Connection& connection, int fd, const msghdr& message, int flags) {
  return SendCall(connection, fd, message, flags).run();
}

bool fold_output(Connection& connection, int fd) {
  bool told = true;
  if (connection.sender().fold_wanted()) answer_fold(connection, fd);
  {
    const OutputLock lock(connection, fd);
    connection.mine().flags.fetch_or(smc::kFlagFoldOutput, std::memory_order_acq_rel);
    Output output(connection, fd);
    if (lock.is_held() && output.in_ring()) told = output.leave_ring();
  }
  wake_by_futex(connection);
  return told;
}

void answer_fold(Connection& connection, int fd, int patience_ms) {
  for (;;) {
    {
      const OutputLock lock(connection, fd);
      if (!lock.is_held()) return;
      Output output(connection, fd);
      if (output.settle() == Output::Settled::kYes) return;
    }
    if (patience_ms <= 0) return;
    (void)raw::poll_one(fd, POLLOUT, 100);
    patience_ms -= 100;
  }
}

void give_back_idle_ring(Connection& connection, int fd) {
  const OutputLock lock(connection, fd);
  if (lock.is_held()) Output(connection, fd).give_back_idle_ring();
}

void wake_by_futex(Connection& connection) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  std::atomic<std::uint32_t>& wait = connection.peer().wait;
  if ((wait.fetch_and(~smc::kWaitFutex, std::memory_order_seq_cst) & smc::kWaitFutex) != 0) {
    raw::wake_all(wait);
  }
}

void wake_for_flags(Connection& connection, int fd) {
  const OutputLock lock(connection, fd);
  if (!lock.is_held()) return;
  Output output(connection, fd);
  if (!output.in_ring()) (void)output.enter_ring();
  // On the lane TCP marks stay where they are.
  connection.wake_peer(fd);
}

}  // namespace leat::preload
