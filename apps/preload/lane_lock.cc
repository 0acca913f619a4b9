#include "apps/preload/lane_lock.h"

#include <signal.h>

#include "leat/smc/socket_counts.h"

#include "apps/preload/raw.h"

namespace leat::preload {

constinit thread_local LaneLock::Place LaneLock::last_{};

// The stack grows down. What a handler runs lies below what it has interrupted, unless it has a
// stack of its own. So a holder that is here or below is of a block that was left; one above may
// be, if the program has since gone deeper: then mostly something else is written there.
bool LaneLock::was_left() const {
  if (last_.word != word_) return false;
  stack_t stack{};
  if (raw::raw_syscall(SYS_sigaltstack, 0, raw::raw_argument(&stack)) != 0) return false;
  if ((stack.ss_flags & SS_ONSTACK) != 0) return false;
  if (last_.holder <= this) return true;
  // The place may be of a stack that is no more: the kernel reads it.
  const std::atomic<std::uint32_t>* there = word_;
  const iovec mine{static_cast<void*>(&there), sizeof there};
  const iovec theirs{const_cast<void*>(static_cast<const void*>(&last_.holder->word_)),
                     sizeof there};
  const long got = raw::raw_syscall(SYS_process_vm_readv, raw::process_id(),
                                    raw::raw_argument(&mine), 1, raw::raw_argument(&theirs), 1);
  return got == sizeof there && there != word_;
}

// The kernel counts for the dead as well. Where it does not (a FIN has come), nothing is added.
void InputLock::recover(Connection& connection, int fd) {
  const std::uint64_t consumed = smc::tcp_consumed(fd);
  connection.receiver().recover(
      consumed != smc::kNoCount ? consumed : connection.mine().rx_tcp_consumed.load());
}

void OutputLock::recover(Connection& connection, int fd) {
  const std::uint64_t written = connection.link().tcp_written(fd);
  smc::Sender<> sender = connection.sender();
  sender.recover(written != smc::kNoCount ? written
                                          : smc::sent_span(connection.mine()).base.load());
  connection.link().wake_peer_surely(fd);
}

}  // namespace leat::preload
