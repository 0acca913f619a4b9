// Going over to shared memory.

#include <cstdint>
#include <utility>

#include "leat/net/internal/connection_profile.h"
#include "leat/net/internal/shared_join.h"
#include "leat/net/internal/shared_loop.h"
#include "leat/net/internal/shared_transport.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/event_loop.h"
#include "leat/smc/socket_counts.h"

namespace leat {

/// After so many calls it is worth asking. What was counted tells whether this end has connected,
/// for the kernel counts the SYN as a byte; a socket that others have used before has no such sum.
void TcpConnection::begin_sharing() {
  const bool is_plain = tls_ == nullptr && peer_.is_ip() && profile_->options.shared_memory;
  if (!is_plain || state() != State::kOpen || move_ || shares_) return;
  const std::uint64_t beyond = smc::tcp_written(fd(), false) - bytes_sent_.load();
  if (beyond > 1) {
    calls_to_share_ = kCallsToShare;
    return;
  }
  home().queue_in_loop([self = shared_from_this(), connects = beyond == 1] {
    if (self->is_here() && self->is_open()) {
      internal::SharedLoop::of(self->home()).join(self, connects);
    }
  });
}

void TcpConnection::tell_join() {
  join_->input_came();
}

bool TcpConnection::share(std::unique_ptr<internal::SharedMemory>& memory) {
  if (state() != State::kOpen || tls_ != nullptr || shares_ || peer_finished_) return true;
  const std::uint64_t consumed = smc::tcp_consumed(fd());
  if (consumed == smc::kNoCount) return true;
  // Input that the kernel has given away and that was not told yet counts as unread.
  if (move_ || consumed != bytes_received_.load()) return false;
  memory->link.allow_input(consumed);
  transport_.reset(new internal::SharedTransport(
      home(), internal::SharedLoop::of(home()), std::move(transport_), std::move(memory), *this,
      {.reading = announced_ && pauses_ == 0, .sent = bytes_sent_.load()}));
  shares_ = true;
  fallback_ = smc::FallbackReason::kNone;
  return true;
}

}  // namespace leat
