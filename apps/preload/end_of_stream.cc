#include "apps/preload/end_of_stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "apps/preload/raw.h"

namespace leat::preload {
namespace {

/// A FIN has come: the state is one of those behind it (tcp_fin()). shutdown(SHUT_RD) of our own
/// ends the stream as well.
bool peer_has_finished(int fd) {
  std::uint8_t state = 0;
  if (!raw::get_option(fd, IPPROTO_TCP, TCP_INFO, state)) return false;
  return state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK || state == TCP_CLOSING ||
         state == TCP_TIME_WAIT || state == TCP_CLOSE;
}

}  // namespace

int end_of_stream(Connection& connection, int fd, int error) {
  const std::uint32_t theirs = connection.peer().flags.load(std::memory_order_acquire);
  const std::uint64_t unread = connection.sender().unread();
  const smc::EndControl& mine = connection.mine();
  if (error == ECONNRESET) {
    const bool took_all =
        unread == 0 && mine.spans_taken.load(std::memory_order_acquire) == mine.tx_spans;
    const bool by_ring = connection.sender().lane() != smc::Lane::kTcp;
    return took_all && by_ring && (theirs & smc::kFlagReset) == 0 ? 0 : error;
  }
  if (error != 0) return error;
  if ((theirs & smc::kFlagWriteShut) != 0 || unread == 0 || !peer_has_finished(fd)) return 0;
  return connection.reset_told.exchange(true, std::memory_order_relaxed) ? 0 : ECONNRESET;
}

}  // namespace leat::preload
