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
  /// Wanted for what the peer receives, if the peer wants nothing itself; 0: nothing in particular.
  std::uint32_t peer_ring = 0;
  bool connects = false;  ///< This end has called connect().
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
  int fd = -1;             ///< The caller's; close-on-exec. Sealed: it can neither shrink nor grow,
  std::uint64_t size = 0;  ///< and is so many bytes long. The client has looked at both.
  bool connects = false;  ///< The end that has called connect(), for lookup(): see socket_counts.h.
  std::uint64_t boards = 0;  ///< Token of the BoardPage of the two families; 0: there is none.
};

/// One request each: connects to `path` (a UNIX SOCK_SEQPACKET socket), asks, reads the answer,
/// closes. At most two descriptors for that long. Bounded by 1 s; a broker that does not answer is
/// none. Any thread; async-signal-safe; leaves errno as it was; goes past the C library, whose
/// calls the preloaded library replaces. `page_token` is ProcessPage::token, 0 without a page: it
/// lets a process that has changed its user speak for what it had before.
class BrokerClient {
 public:
  /// Who may be the broker: it is believed when it says who the peer is.
  enum class Trust : std::uint8_t {
    kOwner,  ///< Only this process's effective user, or root.
    kPath,   ///< Whoever listens there: the path was given by the user.
  };
  explicit BrokerClient(const char* path, Trust trust = Trust::kPath);

  /// The process page: `fd` of the answer (kind kSegment), to be mapped MAP_SHARED.
  Answer hello(const char* program) const;
  Answer offer(const Offer& offer, std::uint64_t page_token) const;
  /// After `matched` has changed, or to look again. A newer segment may take the place of one that
  /// was not proved: ports are reused, and the first match may have been a dead socket's.
  Answer fetch(std::uint64_t cookie, std::uint64_t page_token) const;
  /// The peer in another network namespace that the broker had found (`segment` is its token) is
  /// not proved to be this connection's: it is not tried again. The answer is as to fetch().
  Answer reject(std::uint64_t cookie, std::uint64_t segment, std::uint64_t page_token) const;
  /// For a socket that came by exec or SCM_RIGHTS: its segment if it has one. If not (kUnknown), it
  /// is pinned to TCP: nobody gets a segment for it any more.
  Answer lookup_or_pin(std::uint64_t cookie) const;
  /// The segment shall outlive its last mapping for `seconds` (60 at most): this process is about
  /// to exec. Its present user may look it up then. With any other answer than kSegment (which has
  /// no `fd` here) nobody will find it, so the connection must be folded before the exec.
  Answer hold(std::uint64_t cookie, std::uint32_t seconds, std::uint64_t page_token) const;
  /// `fd` of the answer: the BoardPage that the cookie's segment was announced with.
  Answer boards(std::uint64_t cookie, std::uint64_t page_token) const;
  /// This process gives up the rings of a connection whose peer cannot send again by TCP what lies
  /// in them. The broker starts a process that writes `rest` (a memory file, from its offset on)
  /// and then what comes from `old` into `fresh`, and the other way round, until both directions
  /// have ended. kSegment, without an `fd`: it does. The descriptors stay the caller's, to close.
  Answer relay(int old, int fresh, int rest, std::uint64_t page_token) const;

 private:
  char path_[108];
  Trust trust_;
};

}  // namespace leat::smc
