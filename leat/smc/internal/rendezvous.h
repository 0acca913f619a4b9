// Internal: the offers of ends, and the segments that pairs of them were given.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/smc/broker_client.h"
#include "leat/smc/broker_report.h"
#include "leat/smc/internal/broker_protocol.h"
#include "leat/smc/internal/idle_rings.h"
#include "leat/smc/internal/memory_file.h"
#include "leat/smc/internal/page_table.h"
#include "leat/smc/internal/policy.h"

namespace leat::smc::internal {

/// Who asks, by SO_PEERCRED.
struct Asker {
  uid_t uid = 0;
  pid_t pid = 0;
};

/// Pairs ends. That two of them mirror each other's addresses is a proposal only: the ends prove by
/// themselves that they are one connection (docs/decisions/shared-memory.md). Ends of one network
/// namespace go before; between two the likeliest is proposed, and another if that was rejected.
///
///     nothing --offer--> pending --mirrored offer--> matched --nobody maps it--> nothing
///        |                  |                           |
///        |                  |  socket gone, newer offer |  newer offer of the peer's names, and
///        |                  v  of the same names        v  nothing was proved: pending again
///        +--pin--> refused (for good)     reject() between namespaces: pending again, or the next
///
/// One thread. Answers name descriptors that stay the rendezvous's.
class Rendezvous {
 public:
  struct Limits {
    std::size_t segments = 4096;
    std::size_t offers = 65536;
    Duration grace{};         ///< A segment so young may still be on its way to an end.
    Duration lonely_offer{};  ///< How long an offer without a page waits.
    Duration idle_ring{};     ///< How long a big ring is unused before its memory is given back.
  };
  Rendezvous(PageTable& pages, Limits limits) : pages_(pages), limits_(limits) {}

  Answer offer(const Asker& asker, const Request& request, const Policy& policy, MonotonicTime now);
  /// Between network namespaces: the two of the segment are not tried again.
  Answer reject(const Asker& asker, const Request& request, const Policy& policy,
                MonotonicTime now);
  Answer fetch(const Asker& asker, const Request& request, MonotonicTime now);
  /// `is_own`: the asker is the broker's own user, whose pins may not be lost.
  Answer lookup_or_pin(const Asker& asker, const Request& request, bool is_own, MonotonicTime now);
  Answer hold(const Asker& asker, const Request& request, MonotonicTime now);
  /// The page of boards of the two families of the cookie's segment.
  Answer boards(const Asker& asker, const Request& request);

  /// Looks at `count` offers and `count` segments, and removes what has died.
  void sweep(std::size_t count, MonotonicTime now);

  [[nodiscard]] std::size_t segments() const { return segments_.size(); }
  [[nodiscard]] std::size_t pending() const { return ends_.size() - matched_; }
  [[nodiscard]] BrokerTotals totals() const;
  void list(std::vector<SegmentRecord>& records) const;
  /// The token of the cookie's segment, 0 if it has none.
  [[nodiscard]] std::uint64_t segment_of(std::uint64_t cookie) const;

 private:
  using Name = std::tuple<std::uint64_t, std::uint16_t, std::uint16_t, std::uint16_t,
                          std::array<std::uint8_t, 16>, std::array<std::uint8_t, 16>>;
  struct End {
    std::uint64_t netns;
    SocketNames names;
    std::uint32_t slot;
    std::uint32_t big_ring;
    std::uint32_t peer_ring;
    bool connects;
    uid_t uid;     ///< Of the process that offered,
    uid_t family;  ///< and of its family when it began.
    std::uint64_t page_token;
    MonotonicTime heard_at;
    std::set<uid_t> heirs;            ///< Users that hold() it.
    std::uint64_t segment = 0;        ///< Token; 0: pending.
    std::uint32_t which = 0;          ///< End 0 or 1 of it.
    std::set<std::uint64_t> tried{};  ///< Cookies of other namespaces that were rejected.
  };
  /// One for each two families that have a segment between them; lives as long as one of those.
  struct Boards {
    std::uint64_t token;
    std::optional<MemoryFile> file;  ///< Made when somebody asks for it.
  };
  using Families = std::pair<std::uint64_t, std::uint64_t>;  ///< Page tokens, the lesser first.
  struct Segment {
    MemoryFile file;
    std::array<std::uint64_t, 2> cookie;
    std::array<std::uint32_t, 2> uid;
    std::array<std::uint32_t, 2> big_ring;
    MonotonicTime probe_after;
    Families families;
    std::shared_ptr<Boards> boards;  ///< None if an end has no page.
    bool across = false;             ///< Of two network namespaces.
    MonotonicTime looked_at{};
    IdleRings idle{};
  };
  using Ends = std::map<std::uint64_t, End>;  ///< By cookie.

  static Name name_of(std::uint64_t netns, const SocketNames& names);
  static bool may(const Asker& asker, const End& end, std::uint64_t page_token);
  [[nodiscard]] bool is_pinned(std::uint64_t cookie) const;
  void pin(std::uint64_t cookie, bool is_own);
  Answer segment_answer(const End& end, MonotonicTime now);
  /// Another offer of the same names has come.
  void supersede(Ends::iterator stale, MonotonicTime now);
  void forget(Ends::iterator at, MonotonicTime now);
  /// Whether the process that made the offer still has the socket.
  [[nodiscard]] bool holds(const Ends::value_type& entry) const;
  void drop_name(const Ends::value_type& entry);
  [[nodiscard]] bool is_proved(const Segment& segment) const;
  Answer wait(Ends::iterator mine, const Policy& policy, MonotonicTime now);
  FallbackReason pair(Ends::iterator mine, Ends::iterator peer, bool across, MonotonicTime now);
  Result<std::uint64_t> make_segment(const Ends::value_type& first, const Ends::value_type& second,
                                     bool across, MonotonicTime now);
  // Between network namespaces: rendezvous_across.cc.
  void begin_waiting(const Ends::value_type& entry);
  void end_waiting(const Ends::value_type& entry);
  static bool may_match_across(const Ends::value_type& one, const Ends::value_type& other,
                               const Policy& policy);
  bool match_across(Ends::iterator mine, const Policy& policy, MonotonicTime now);
  void part(const Ends::value_type& one);
  void look_on(Ends::iterator at, const Policy& policy, MonotonicTime now);
  std::shared_ptr<Boards> boards_of(const Families& families);
  Ends::iterator erase(Ends::iterator at);
  void notify(const End& end) { pages_.notify(end.page_token, end.slot); }
  [[nodiscard]] bool is_dead(const Ends::value_type& entry, MonotonicTime now) const;
  void sweep_segment(std::map<std::uint64_t, Segment>::iterator& at, MonotonicTime now);
  static SegmentRecord read_segment(std::uint64_t token, const Segment& segment);
  static BrokerTotals counters(const SegmentRecord& record, const Segment& segment);

  PageTable& pages_;
  Limits limits_;
  Ends ends_;
  std::map<Name, std::uint64_t> by_name_;
  /// Pending ends that could have a peer in another network namespace; names without theirs.
  std::set<std::pair<Name, std::uint64_t>> waiting_;
  std::map<std::uint64_t, Segment> segments_;
  std::map<Families, std::weak_ptr<Boards>> boards_;
  std::set<std::uint64_t> pins_;
  std::set<std::uint64_t> foreign_pins_;
  std::uint64_t pin_floor_ = 0;  ///< Cookies up to here may have been pinned once.
  std::size_t matched_ = 0;      ///< Ends that have a segment.
  std::uint64_t swept_end_ = 0;
  std::uint64_t swept_segment_ = 0;
  std::uint64_t made_ = 0;
  BrokerTotals gone_;
};

}  // namespace leat::smc::internal
