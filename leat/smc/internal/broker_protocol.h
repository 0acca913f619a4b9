// Internal: what goes between BrokerClient and Broker. Both are of one build: no versions to mix.
#pragma once

#include <sys/socket.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "leat/smc/process_page.h"

namespace leat::smc::internal {

enum class Ask : std::uint32_t {
  kHello = 1,
  kOffer = 2,
  kFetch = 3,
  kLookupOrPin = 4,
  kHold = 5,
  kReport = 6,
  kReset = 7,
  kPing = 8,   ///< Is there a broker? It then stays for a while.
  kRelay = 9,  ///< With three descriptors, see RelayEnds in relay.h.
  kReject = 10,
  kBoards = 11,
};

/// One message of the SOCK_SEQPACKET socket, exactly so long; the broker answers with one Reply and
/// closes.
struct Request {
  static constexpr std::uint64_t kMagic = 0x31304b52'424c454cULL;
  std::uint64_t magic = kMagic;
  Ask ask = Ask::kHello;
  std::uint32_t seconds = 0;     ///< kHold.
  std::uint64_t page_token = 0;  ///< kOffer, kFetch, kHold, kRelay, kReject, kBoards.
  std::uint64_t cookie = 0;      ///< All but kHello, kReport, kReset, kRelay.
  std::uint64_t netns = 0;       ///< kOffer, from here to `big_ring`; kReject: segment's token.
  SocketNames names;
  std::uint32_t slot = 0;
  std::uint32_t big_ring = 0;
  std::uint32_t connects = 0;
  std::uint32_t peer_ring = 0;
  char program[64] = {};  ///< kHello; ends with a zero.
};
static_assert(sizeof(Request) == 160);

/// With a descriptor (SCM_RIGHTS) if `kind` is Answer::Kind::kSegment.
struct Reply {
  static constexpr std::uint64_t kMagic = 0x31305952'424c454cULL;
  std::uint64_t magic = kMagic;
  std::uint32_t kind = 0;
  std::uint32_t reason = 0;
  std::uint32_t end = 0;
  std::uint32_t connects = 0;
  std::uint64_t boards = 0;  ///< Answer::boards.
};
static_assert(sizeof(Reply) == 32);

inline constexpr std::uint32_t kLeastBigRing = 64U << 10U;
inline constexpr std::uint32_t kMostBigRing = 64U << 20U;
inline constexpr std::uint32_t kMostHoldSeconds = 60;
/// Descriptors that come with a request (kRelay).
inline constexpr std::size_t kMostPassed = 3;

/// A size that the broker takes.
[[nodiscard]] constexpr std::uint32_t ring_within_bounds(std::uint32_t size) {
  if (size == 0) return 0;
  if (size <= kLeastBigRing) return kLeastBigRing;
  return size >= kMostBigRing ? kMostBigRing : std::bit_floor(size);
}

/// The request in `bytes`, from a process that may be hostile: none if it is not exactly one.
[[nodiscard]] inline std::optional<Request> parse_request(std::span<const std::byte> bytes) {
  Request request;
  if (bytes.size() != sizeof request) return std::nullopt;
  std::memcpy(static_cast<void*>(&request), bytes.data(), sizeof request);
  if (request.magic != Request::kMagic) return std::nullopt;
  const auto ask = static_cast<std::uint32_t>(request.ask);
  if (ask < static_cast<std::uint32_t>(Ask::kHello) ||
      ask > static_cast<std::uint32_t>(Ask::kBoards)) {
    return std::nullopt;
  }
  if (request.seconds > kMostHoldSeconds || request.connects > 1) return std::nullopt;
  if (request.program[sizeof request.program - 1] != 0) return std::nullopt;
  if (request.ask != Ask::kOffer) return request;
  const SocketNames& names = request.names;
  if (names.family != AF_INET && names.family != AF_INET6) return std::nullopt;
  if (names.local_port == 0 || names.peer_port == 0 || names.reserved != 0) return std::nullopt;
  for (std::size_t i = 4; names.family == AF_INET && i < 16; ++i) {
    if (names.local[i] != 0 || names.peer[i] != 0) return std::nullopt;
  }
  if (request.slot >= kConnectionSlots || request.cookie == 0) return std::nullopt;
  const auto is_ring = [](std::uint32_t size) {
    return size == 0 ||
           (std::has_single_bit(size) && size >= kLeastBigRing && size <= kMostBigRing);
  };
  if (!is_ring(request.big_ring) || !is_ring(request.peer_ring)) return std::nullopt;
  return request;
}

}  // namespace leat::smc::internal
