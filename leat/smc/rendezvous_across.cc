// Pairs of ends in two network namespaces, whose names prove nothing.

#include <algorithm>
#include <array>
#include <iterator>

#include "leat/smc/internal/rendezvous.h"

namespace leat::smc::internal {

namespace {

/// Ends of the same names that are looked at for one match.
constexpr std::size_t kMostLookedAt = 64;
/// Peers that an end tries before it is given up.
constexpr std::size_t kMostTries = 8;

bool is_loopback(const SocketNames& names, const std::uint8_t (&address)[16]) {
  if (names.family == AF_INET) return address[0] == 127;
  const auto is_zero = [](std::uint8_t byte) { return byte == 0; };
  return std::all_of(std::begin(address), std::end(address) - 1, is_zero) && address[15] == 1;
}

/// Packets between such addresses do not leave their namespace.
bool stays_within(const SocketNames& names) {
  return is_loopback(names, names.local) || is_loopback(names, names.peer) ||
         std::equal(std::begin(names.local), std::end(names.local), std::begin(names.peer));
}

}  // namespace

void Rendezvous::begin_waiting(const Ends::value_type& entry) {
  if (stays_within(entry.second.names)) return;
  waiting_.emplace(name_of(0, entry.second.names), entry.first);
}

void Rendezvous::end_waiting(const Ends::value_type& entry) {
  waiting_.erase({name_of(0, entry.second.names), entry.first});
}

bool Rendezvous::may_match_across(const Ends::value_type& one, const Ends::value_type& other,
                                  const Policy& policy) {
  const End& mine = one.second;
  const End& peer = other.second;
  const bool allowed = policy.allows(mine.family, peer.family) || policy.allows(mine.uid, peer.uid);
  return allowed && mine.netns != peer.netns && !mine.tried.contains(other.first) &&
         !peer.tried.contains(one.first);
}

// Of several the one that was heard of last: both ends of a connection have earned it about when
// the other has.
bool Rendezvous::match_across(Ends::iterator mine, const Policy& policy, MonotonicTime now) {
  const Name wanted = name_of(0, mine->second.names.mirrored());
  auto best = ends_.end();
  std::size_t looked_at = 0;
  for (auto at = waiting_.lower_bound({wanted, 0});
       at != waiting_.end() && at->first == wanted && looked_at < kMostLookedAt;
       ++at, ++looked_at) {
    const auto peer = ends_.find(at->second);
    if (!may_match_across(*mine, *peer, policy)) continue;
    if (best == ends_.end() || peer->second.heard_at >= best->second.heard_at) best = peer;
  }
  return best != ends_.end() && pair(mine, best, true, now) == FallbackReason::kNone;
}

/// Both ends of an unproved pair wait again.
void Rendezvous::part(const Ends::value_type& one) {
  const std::uint64_t token = one.second.segment;
  for (const std::uint64_t cookie : segments_.at(token).cookie) {
    const auto end = ends_.find(cookie);
    if (end == ends_.end() || end->second.segment != token) continue;
    end->second.segment = 0;
    --matched_;
    begin_waiting(*end);
    notify(end->second);
  }
}

Answer Rendezvous::reject(const Asker& asker, const Request& request, const Policy& policy,
                          MonotonicTime now) {
  const auto found = ends_.find(request.cookie);
  if (found == ends_.end()) return fetch(asker, request, now);
  End& mine = found->second;
  if (!may(asker, mine, request.page_token)) {
    return fetch(asker, request, now);  // Which refuses.
  }
  // The peer may have been faster, or have found its proof; within a namespace nobody can know
  // better.
  const bool stands = mine.segment == 0 || mine.segment != request.netns ||
                      !segments_.at(mine.segment).across || is_proved(segments_.at(mine.segment));
  if (stands) return fetch(asker, request, now);
  const Segment& segment = segments_.at(mine.segment);
  const auto peer = ends_.find(segment.cookie[1 - mine.which]);
  part(*found);
  mine.tried.insert(peer == ends_.end() ? 0 : peer->first);
  if (peer != ends_.end()) {
    peer->second.tried.insert(found->first);
    look_on(peer, policy, now);
  }
  look_on(found, policy, now);
  return fetch(asker, request, now);
}

void Rendezvous::look_on(Ends::iterator at, const Policy& policy, MonotonicTime now) {
  if (at->second.segment != 0) return;
  if (at->second.tried.size() < kMostTries) {
    match_across(at, policy, now);
    return;
  }
  notify(at->second);
  erase(at);
}

}  // namespace leat::smc::internal
