// Internal: makes sendmmsg() fail, for tests of what a full device or an old one does.
#pragma once

#include <sys/socket.h>

#include <functional>
#include <optional>
#include <span>

namespace leat::testing {

/// While it lives, `decide` is asked before each sendmmsg() of this thread: an errno value makes it
/// fail, none lets it go to the kernel.
class FailingSendmmsg {
 public:
  using Decide = std::function<std::optional<int>(std::span<const mmsghdr>)>;

  explicit FailingSendmmsg(Decide decide);
  ~FailingSendmmsg();
  FailingSendmmsg(const FailingSendmmsg&) = delete;
  FailingSendmmsg& operator=(const FailingSendmmsg&) = delete;

  [[nodiscard]] static bool is_cut(const mmsghdr& message);
};

}  // namespace leat::testing
