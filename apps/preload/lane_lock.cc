#include "apps/preload/lane_lock.h"

#include "leat/smc/socket_counts.h"

namespace leat::preload {

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
  // The dead may have taken the marks with it.
  (void)sender.take_marks();
  connection.link().wake_peer(fd, smc::kWaitDoorbell | smc::kWaitFutex);
}

}  // namespace leat::preload
