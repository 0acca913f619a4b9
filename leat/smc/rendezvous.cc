#include "leat/smc/internal/rendezvous.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "leat/smc/ready_board.h"
#include "leat/smc/segment.h"

namespace leat::smc::internal {

namespace {

constexpr std::size_t kMostPins = 1U << 20U;
constexpr std::size_t kMostForeignPins = 1U << 14U;

Answer simple(Answer::Kind kind, FallbackReason reason = FallbackReason::kNone) {
  Answer answer;
  answer.kind = kind;
  answer.reason = reason;
  return answer;
}

Answer refused(FallbackReason reason) {
  return simple(Answer::Kind::kRefused, reason);
}

std::array<std::uint8_t, 16> bytes_of(const std::uint8_t (&address)[16]) {
  std::array<std::uint8_t, 16> bytes{};
  std::copy(std::begin(address), std::end(address), bytes.begin());
  return bytes;
}

}  // namespace

Rendezvous::Name Rendezvous::name_of(std::uint64_t netns, const SocketNames& names) {
  return {netns,           names.family,          names.local_port,
          names.peer_port, bytes_of(names.local), bytes_of(names.peer)};
}

// Cookies can be guessed (they are counted), so that one alone gives nobody anything.
bool Rendezvous::may(const Asker& asker, const End& end, std::uint64_t page_token) {
  return asker.uid == end.uid || asker.uid == 0 || end.heirs.contains(asker.uid) ||
         (page_token != 0 && page_token == end.page_token);
}

Answer Rendezvous::segment_answer(const End& end, MonotonicTime now) {
  Segment& segment = segments_.at(end.segment);
  segment.probe_after = std::max(segment.probe_after, now + limits_.grace);
  Answer answer;
  answer.kind = Answer::Kind::kSegment;
  answer.end = end.which;
  answer.connects = end.connects;
  answer.fd = segment.file.fd();
  if (segment.boards) answer.boards = segment.boards->token;
  return answer;
}

void Rendezvous::drop_name(const Ends::value_type& entry) {
  const auto named = by_name_.find(name_of(entry.second.netns, entry.second.names));
  if (named != by_name_.end() && named->second == entry.first) by_name_.erase(named);
}

Rendezvous::Ends::iterator Rendezvous::erase(Ends::iterator at) {
  drop_name(*at);
  end_waiting(*at);
  if (at->second.segment != 0) --matched_;
  return ends_.erase(at);
}

Answer Rendezvous::offer(const Asker& asker, const Request& request, const Policy& policy,
                         MonotonicTime now) {
  if (is_pinned(request.cookie)) return refused(FallbackReason::kInherited);
  if (const auto known = ends_.find(request.cookie); known != ends_.end()) {
    if (!may(asker, known->second, request.page_token)) return refused(FallbackReason::kPolicy);
    const bool same = known->second.names == request.names;
    if (same && known->second.segment != 0) return segment_answer(known->second, now);
    forget(known, now);  // A socket can be disconnected and connected to somebody else.
  }
  End end{request.netns,
          request.names,
          request.slot,
          request.big_ring,
          request.peer_ring,
          request.connects != 0,
          asker.uid,
          asker.uid,
          request.page_token,
          now,
          {},
          0,
          0};
  if (!pages_.find(request.page_token, end.family)) end.page_token = 0;
  const Name name = name_of(end.netns, end.names);
  if (const auto older = by_name_.find(name); older != by_name_.end()) {
    const auto stale = ends_.find(older->second);
    const bool foreign =
        !may(asker, stale->second, end.page_token) && stale->second.family != end.family;
    if (foreign && holds(*stale)) return refused(FallbackReason::kPolicy);
    supersede(stale, now);
  }
  if (ends_.size() >= limits_.offers) return refused(FallbackReason::kSegmentLimit);
  const auto mine = ends_.emplace(request.cookie, std::move(end)).first;
  by_name_[name] = request.cookie;
  const auto mirrored = by_name_.find(name_of(request.netns, request.names.mirrored()));
  if (mirrored == by_name_.end() || mirrored->second == request.cookie)
    return wait(mine, policy, now);
  const auto peer = ends_.find(mirrored->second);
  if (const std::uint64_t token = peer->second.segment; token != 0) {
    const Segment& segment = segments_.at(token);
    if (!segment.across || is_proved(segment)) return wait(mine, policy, now);
    part(*peer);  // It was tried with another namespace's, but this one is certain.
  }
  if (!policy.allows(mine->second.family, peer->second.family) &&
      !policy.allows(mine->second.uid, peer->second.uid)) {
    if (!holds(*peer)) {
      forget(peer, now);
      return wait(mine, policy, now);
    }
    erase(mine);
    return refused(FallbackReason::kPolicy);
  }
  const FallbackReason failed = pair(mine, peer, false, now);
  if (failed == FallbackReason::kNone) return segment_answer(mine->second, now);
  erase(mine);
  return refused(failed);
}

/// Nobody of its own namespace is there.
Answer Rendezvous::wait(Ends::iterator mine, const Policy& policy, MonotonicTime now) {
  if (match_across(mine, policy, now)) return segment_answer(mine->second, now);
  begin_waiting(*mine);
  return simple(Answer::Kind::kPending);
}

FallbackReason Rendezvous::pair(Ends::iterator mine, Ends::iterator peer, bool across,
                                MonotonicTime now) {
  if (segments_.size() >= limits_.segments) return FallbackReason::kSegmentLimit;
  // The end that has called connect() is 0, if one of them says so.
  const bool first = mine->second.connects && !peer->second.connects;
  const Result<std::uint64_t> token =
      first ? make_segment(*mine, *peer, across, now) : make_segment(*peer, *mine, across, now);
  if (!token) return FallbackReason::kNoMemory;
  mine->second.which = first ? 0 : 1;
  peer->second.which = first ? 1 : 0;
  mine->second.segment = peer->second.segment = *token;
  matched_ += 2;
  end_waiting(*mine);
  end_waiting(*peer);
  notify(peer->second);
  return FallbackReason::kNone;
}

Result<std::uint64_t> Rendezvous::make_segment(const Ends::value_type& first,
                                               const Ends::value_type& second, bool across,
                                               MonotonicTime now) {
  SegmentHeader header{};
  header.header_size = sizeof(EndControl);
  const std::array<const Ends::value_type*, 2> ends{&first, &second};
  for (std::size_t i = 0; i < 2; ++i) {
    std::uint32_t wanted = ends[i]->second.big_ring;
    if (wanted == 0) wanted = ends[1 - i]->second.peer_ring;
    header.big_ring[i] = wanted == 0 ? kDefaultBigRing : wanted;
    header.cookie[i] = ends[i]->first;
    header.uid[i] = ends[i]->second.uid;
  }
  header.token = random_token();
  header.across = across ? 1 : 0;
  header.magic = SegmentHeader::kMagic;
  Result<MemoryFile> file = MemoryFile::create(
      "leat-segment", SegmentLayout::size(header.big_ring[0], header.big_ring[1]));
  if (!file) return file.error();
  if (!file->write(&header, sizeof header, 0)) {
    return Error::from_errno(ENOMEM, "write a segment's header");
  }
  const Families families = std::minmax(first.second.page_token, second.second.page_token);
  segments_.emplace(header.token, Segment{std::move(*file),
                                          {header.cookie[0], header.cookie[1]},
                                          {header.uid[0], header.uid[1]},
                                          {header.big_ring[0], header.big_ring[1]},
                                          now + limits_.grace,
                                          families,
                                          boards_of(families),
                                          across});
  ++made_;
  return header.token;
}

std::shared_ptr<Rendezvous::Boards> Rendezvous::boards_of(const Families& families) {
  if (families.first == 0) return nullptr;
  std::weak_ptr<Boards>& known = boards_[families];
  std::shared_ptr<Boards> boards = known.lock();
  if (!boards) known = boards = std::make_shared<Boards>(Boards{random_token(), std::nullopt});
  return boards;
}

// The kernel has no two established sockets of the same names, so this is one that was. Who holds
// a segment that was proved may look it up until nobody maps it; only the names go.
void Rendezvous::supersede(Ends::iterator stale, MonotonicTime now) {
  const std::uint64_t token = stale->second.segment;
  if (token == 0 || !is_proved(segments_.at(token))) {
    forget(stale, now);
    return;
  }
  for (const std::uint64_t cookie : segments_.at(token).cookie) {
    const auto end = ends_.find(cookie);
    if (end != ends_.end() && end->second.segment == token) drop_name(*end);
  }
}

// If the peer that it was matched with has proved nothing yet, it may be another socket's peer.
void Rendezvous::forget(Ends::iterator at, MonotonicTime now) {
  const std::uint64_t token = at->second.segment;
  const std::uint32_t which = at->second.which;
  erase(at);
  if (token == 0) return;
  const Segment& segment = segments_.at(token);
  const auto peer = ends_.find(segment.cookie[1 - which]);
  if (peer == ends_.end() || peer->second.segment != token || is_proved(segment)) return;
  peer->second.segment = 0;
  peer->second.heard_at = now;
  --matched_;
  begin_waiting(*peer);
}

bool Rendezvous::holds(const Ends::value_type& entry) const {
  return entry.second.page_token != 0 &&
         pages_.holds(entry.second.page_token, entry.second.slot, entry.first);
}

bool Rendezvous::is_proved(const Segment& segment) const {
  for (unsigned end = 0; end < 2; ++end) {
    EndState state{};
    segment.file.read(&state, sizeof state,
                      SegmentLayout::control(end) + offsetof(EndControl, state));
    if (state == EndState::kConfirmed) return true;
  }
  return false;
}

Answer Rendezvous::fetch(const Asker& asker, const Request& request, MonotonicTime now) {
  const auto found = ends_.find(request.cookie);
  if (found == ends_.end()) {
    if (is_pinned(request.cookie)) return refused(FallbackReason::kInherited);
    return simple(Answer::Kind::kUnknown);
  }
  if (!may(asker, found->second, request.page_token)) return refused(FallbackReason::kPolicy);
  found->second.heard_at = now;
  if (found->second.segment == 0) {
    return simple(Answer::Kind::kPending,
                  found->second.tried.empty() ? FallbackReason::kNone : FallbackReason::kNoProof);
  }
  return segment_answer(found->second, now);
}

Answer Rendezvous::lookup_or_pin(const Asker& asker, const Request& request, bool is_own,
                                 MonotonicTime now) {
  const auto found = ends_.find(request.cookie);
  if (found != ends_.end()) {
    if (!may(asker, found->second, 0)) return refused(FallbackReason::kPolicy);
    if (found->second.segment != 0) return segment_answer(found->second, now);
    notify(found->second);
    erase(found);
  }
  pin(request.cookie, is_own);
  return simple(Answer::Kind::kUnknown, FallbackReason::kInherited);
}

Answer Rendezvous::hold(const Asker& asker, const Request& request, MonotonicTime now) {
  const auto found = ends_.find(request.cookie);
  if (found == ends_.end()) return simple(Answer::Kind::kUnknown);
  End& end = found->second;
  if (!may(asker, end, request.page_token)) return refused(FallbackReason::kPolicy);
  if (end.segment == 0) return simple(Answer::Kind::kPending);
  if (asker.uid != end.uid) end.heirs.insert(asker.uid);
  Segment& segment = segments_.at(end.segment);
  segment.probe_after = std::max(segment.probe_after, now + std::chrono::seconds(request.seconds));
  Answer answer = simple(Answer::Kind::kSegment);
  answer.end = end.which;
  answer.connects = end.connects;
  return answer;
}

Answer Rendezvous::boards(const Asker& asker, const Request& request) {
  const auto found = ends_.find(request.cookie);
  if (found == ends_.end() || found->second.segment == 0) return simple(Answer::Kind::kUnknown);
  if (!may(asker, found->second, request.page_token)) return refused(FallbackReason::kPolicy);
  const std::shared_ptr<Boards>& boards = segments_.at(found->second.segment).boards;
  if (!boards) return simple(Answer::Kind::kUnknown);
  if (!boards->file) {
    Result<MemoryFile> file = MemoryFile::create("leat-boards", sizeof(BoardPage));
    if (!file) return refused(FallbackReason::kNoMemory);
    boards->file = std::move(*file);
  }
  Answer answer;
  answer.kind = Answer::Kind::kSegment;
  answer.fd = boards->file->fd();
  answer.boards = boards->token;
  return answer;
}

bool Rendezvous::is_pinned(std::uint64_t cookie) const {
  return cookie <= pin_floor_ || pins_.contains(cookie) || foreign_pins_.contains(cookie);
}

// A pin that was forgotten would let a program read doorbells as data. So when there are too many
// the oldest (cookies grow) take all that are older with them.
void Rendezvous::pin(std::uint64_t cookie, bool is_own) {
  if (!is_own) {
    if (foreign_pins_.size() < kMostForeignPins) foreign_pins_.insert(cookie);
    return;
  }
  pins_.insert(cookie);
  if (pins_.size() <= kMostPins) return;
  pin_floor_ = std::max(pin_floor_, *pins_.begin());
  pins_.erase(pins_.begin());
}

}  // namespace leat::smc::internal
