// Public: asking the broker. Neither allocates, throws nor logs; safe in a preloaded library.
#pragma once

#include <cstdint>

#include "leat/smc/fallback_reason.h"
#include "leat/smc/process_page.h"

namespace leat::smc {

/// What an end says of its socket.
struct Offer {
  std::uint64_t cookie = 0;
  std::uint64_t netns = 0;  ///< SO_NETNS_COOKIE.
  SocketNames names;
  std::uint32_t slot = 0;      ///< In the process page, for `matched`.
  std::uint32_t big_ring = 0;  ///< Wanted for what this end receives; 0: kDefaultBigRing.
};

struct Answer {
  enum class Kind : std::uint32_t {
    kPending = 0,  ///< The peer's offer is not there yet; `matched` in the slot will tell.
    kSegment = 1,  ///< Here is the segment: `fd`, and which end of it the asker is.
    kRefused = 2,  ///< For `reason`.
    kUnknown = 3,  ///< No such cookie.
    kNoBroker = 4,
  };
  Kind kind = Kind::kNoBroker;
  FallbackReason reason = FallbackReason::kNone;
  std::uint32_t end = 0;
  int fd = -1;            ///< The caller's; close-on-exec.
  bool connects = false;  ///< The end that has called connect(), for lookup(): see socket_counts.h.
};

/// One request each: connects to `path` (a UNIX SOCK_SEQPACKET socket), asks, reads the answer,
/// closes. At most two descriptors for that long. Bounded by 1 s; a broker that does not answer is
/// none. Any thread; async-signal-safe; leaves errno as it was.
class BrokerClient {
 public:
  explicit BrokerClient(const char* path);

  /// The process page: `fd` of the answer (kind kSegment).
  Answer hello(const char* program) const;
  Answer offer(const Offer& offer, std::uint64_t page_token) const;
  /// After `matched`, or to look again.
  Answer fetch(std::uint64_t cookie) const;
  /// For a socket that came by exec or SCM_RIGHTS: its segment if it has one. If not, it is pinned
  /// to TCP.
  Answer lookup_or_pin(std::uint64_t cookie) const;
  /// The segment shall outlive its last mapping for `seconds`: this process is about to exec.
  Answer hold(std::uint64_t cookie, std::uint32_t seconds) const;

 private:
  char path_[108];
};

}  // namespace leat::smc
