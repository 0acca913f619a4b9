#include "leat/net/internal/happy_eyeballs.h"

#include <algorithm>
#include <utility>

#include "leat/base/assert.h"

namespace leat::internal {

namespace {

// RFC 8305, section 8: below, a lost packet's answer could not come in time; above, nobody waits.
constexpr Duration kShortestDelay = std::chrono::milliseconds(10);
constexpr Duration kLongestDelay = std::chrono::seconds(2);

HappyEyeballsOptions within_bounds(HappyEyeballsOptions options) {
  options.attempt_delay = std::clamp(options.attempt_delay, kShortestDelay, kLongestDelay);
  options.first_family_count = std::max<std::size_t>(options.first_family_count, 1);
  return options;
}

}  // namespace

HappyEyeballs::HappyEyeballs(const HappyEyeballsOptions& options)
    : options_(within_bounds(options)) {}

HappyEyeballs::Actions HappyEyeballs::answered(MonotonicTime now, Family family,
                                               std::vector<InetAddress> known) {
  bool& answered = family == Family::kIpv6 ? answered_v6_ : answered_v4_;
  LEAT_ASSERT(!answered, "a second answer for one family");
  answered = true;
  if (family == Family::kIpv4) v4_since_ = now;
  known_ = std::move(known);
  return proceed(now);
}

HappyEyeballs::Actions HappyEyeballs::attempt_failed(MonotonicTime now, std::size_t attempt) {
  if (over_ || attempt >= under_way_.size() || !under_way_[attempt]) return {};
  under_way_[attempt] = false;
  --open_;
  earliest_ = now;
  return proceed(now);
}

HappyEyeballs::Actions HappyEyeballs::attempt_connected(std::size_t attempt) {
  if (over_ || attempt >= under_way_.size() || !under_way_[attempt]) return {};
  over_ = true;
  Actions actions;
  for (std::size_t other = 0; other < under_way_.size(); ++other) {
    if (other != attempt && under_way_[other]) {
      actions.push_back({.what = Do::kCancel, .attempt = other, .address = tried_[other]});
    }
  }
  actions.push_back({.what = Do::kWon, .attempt = attempt, .address = tried_[attempt]});
  return actions;
}

HappyEyeballs::Actions HappyEyeballs::wake(MonotonicTime now) {
  return proceed(now);
}

HappyEyeballs::Actions HappyEyeballs::proceed(MonotonicTime now) {
  if (over_) return {};
  const std::optional<MonotonicTime> start = next_start();
  if (start && *start <= now) {
    const InetAddress address = *next_address();
    tried_.push_back(address);
    under_way_.push_back(true);
    ++open_;
    earliest_ = now + options_.attempt_delay;
    return {{.what = Do::kStart, .attempt = tried_.size() - 1, .address = address}};
  }
  if (!start && open_ == 0 && answered_v4_ && answered_v6_) {
    over_ = true;
    return {{.what = Do::kFailed}};
  }
  return {};
}

std::optional<MonotonicTime> HappyEyeballs::wake_at() const {
  return over_ ? std::nullopt : next_start();
}

/// When the next attempt may start; none while there is no address for one.
std::optional<MonotonicTime> HappyEyeballs::next_start() const {
  if (next_address() == nullptr) return std::nullopt;
  if (!tried_.empty()) return earliest_;
  // Section 3: AAAA starts at once, whatever becomes of A; A waits a little for AAAA.
  return answered_v6_ ? MonotonicTime::min() : v4_since_ + options_.resolution_delay;
}

/// Section 4: some of the preferred family, then the families take turns. What came late takes its
/// turn like the rest (section 5), so there is no list to be merged: only what was tried counts.
const InetAddress* HappyEyeballs::next_address() const {
  if (known_.empty()) return nullptr;
  if (tried_.empty()) return &known_.front();
  const Family last = tried_.back().family();
  const Family other = last == Family::kIpv6 ? Family::kIpv4 : Family::kIpv6;
  const bool one_family_so_far =
      std::all_of(tried_.begin(), tried_.end(),
                  [last](const InetAddress& address) { return address.family() == last; });
  const bool more_of_the_first = one_family_so_far && tried_.size() < options_.first_family_count;
  const InetAddress* same_family = first_untried(last);
  const InetAddress* other_family = first_untried(other);
  if (other_family == nullptr || (more_of_the_first && same_family != nullptr)) return same_family;
  return other_family;
}

const InetAddress* HappyEyeballs::first_untried(Family family) const {
  for (const InetAddress& address : known_) {
    if (address.family() == family && !is_tried(address)) return &address;
  }
  return nullptr;
}

bool HappyEyeballs::is_tried(const InetAddress& address) const {
  return std::find(tried_.begin(), tried_.end(), address) != tried_.end();
}

}  // namespace leat::internal
