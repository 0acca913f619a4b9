// Internal: which address to try when, by RFC 8305; pure.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/net/happy_eyeballs_options.h"
#include "leat/net/inet_address.h"

namespace leat::internal {

/// Happy eyeballs, version 2: the time is an argument, and what is to be done is the result. The
/// caller tells what has happened, does what it is told in the order it is told, and calls wake()
/// at wake_at(). After kWon or kFailed nothing more comes.
///
///     answers   AAAA ...... A                     A only, or before AAAA: waits 50 ms for AAAA
///     attempts  |---v6 ...............................
///                   |---v4 .......... connected       250 ms after the last one was started, or
///                                 x   v6 cancelled    at once when one has failed
class HappyEyeballs {
 public:
  using Family = InetAddress::Family;

  enum class Do { kStart, kCancel, kWon, kFailed };
  struct Action {
    Do what = Do::kFailed;
    std::size_t attempt = 0;  ///< 0, 1, ... in the order of starting; not for kFailed.
    InetAddress address = {};
  };
  using Actions = std::vector<Action>;

  explicit HappyEyeballs(const HappyEyeballsOptions& options = {});

  /// One of the two questions has its answer. `known` are all addresses of both families that are
  /// known by now, in the order of preference (RFC 8305, section 4; RFC 6724, section 6); empty if
  /// there are none. Each family once, also one that was never asked for.
  Actions answered(MonotonicTime now, Family family, std::vector<InetAddress> known);
  Actions attempt_failed(MonotonicTime now, std::size_t attempt);
  Actions attempt_connected(std::size_t attempt);
  /// Nothing to do before wake_at() or without one.
  Actions wake(MonotonicTime now);

  [[nodiscard]] std::optional<MonotonicTime> wake_at() const;
  /// In the order of their start.
  [[nodiscard]] const std::vector<InetAddress>& tried() const { return tried_; }

 private:
  Actions proceed(MonotonicTime now);
  [[nodiscard]] std::optional<MonotonicTime> next_start() const;
  [[nodiscard]] const InetAddress* next_address() const;
  [[nodiscard]] const InetAddress* first_untried(Family family) const;
  [[nodiscard]] bool is_tried(const InetAddress& address) const;

  const HappyEyeballsOptions options_;
  bool answered_v4_ = false;
  bool answered_v6_ = false;
  MonotonicTime v4_since_;
  std::vector<InetAddress> known_;
  std::vector<InetAddress> tried_;
  std::vector<bool> under_way_;  // by attempt
  std::size_t open_ = 0;         // attempts under way
  MonotonicTime earliest_;       // of the next start, once there was one
  bool over_ = false;
};

}  // namespace leat::internal
