// Public: what the kernel knows of a TCP socket: who it is, and how many bytes went through it.
#pragma once

#include <cstdint>

#include "leat/smc/ack_challenge.h"
#include "leat/smc/broker_client.h"
#include "leat/smc/fallback_reason.h"

namespace leat::smc {

inline constexpr std::uint64_t kNoCount = ~std::uint64_t{0};

// By raw system calls: any thread, async-signal-safe, errno is kept. Each takes the descriptor of a
// TCP socket.

/// Bytes ever written to the socket. `connects`: this end has called connect(), whose SYN the
/// kernel counts as acknowledged (tcp_snd_una_update). kNoCount if the socket is not ESTABLISHED
/// or CLOSE_WAIT, or changes too fast to be read.
[[nodiscard]] std::uint64_t tcp_written(int socket, bool connects);
/// Bytes ever read from it. kNoCount if it is not ESTABLISHED (a FIN is counted as a byte).
[[nodiscard]] std::uint64_t tcp_consumed(int socket);

/// All counts at one instant; false if the socket is not ESTABLISHED.
[[nodiscard]] bool segment_counts(int socket, SegmentCounts& counts);
/// Acknowledges now what the kernel would acknowledge later; true if a segment went. None does if
/// nothing is to be acknowledged, or input is unread (tcp_cleanup_rbuf).
bool acknowledge_now(int socket, const SegmentCounts& before);

/// Fills in cookie, network namespace and names. Anything but kNone is a reason for which this
/// socket stays on TCP; kNotEarned if it is no TCP socket at all.
[[nodiscard]] FallbackReason identify(int socket, Offer& offer);
/// The second look of the proof: whether it is still the socket of `offer`, and ESTABLISHED.
[[nodiscard]] bool is_still(int socket, const Offer& offer);
/// SO_COOKIE; 0 if the descriptor is no socket.
[[nodiscard]] std::uint64_t socket_cookie(int socket);

}  // namespace leat::smc
