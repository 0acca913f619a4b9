// Internal: what an epoll set tells the program of a shared connection. Pure.
#pragma once

#include <sys/epoll.h>

#include <cstdint>

namespace leat::preload {

/// One registration of epoll_ctl(), and what the program was told by it.
struct Registration {
  std::uint32_t events = 0;  ///< As the program gave them, with EPOLLET, EPOLLONESHOT and so on.
  std::uint64_t told = 0;    ///< Edge-triggered: arrivals when the program was last told of input.
  bool fresh = true;         ///< Since ADD or MOD it was told nothing: an edge is due if readable.
  bool spent = false;        ///< EPOLLONESHOT has been told; nothing more until MOD.
  bool kicked = false;       ///< The kernel waits for more than `events`, to wake a sleeper.
};

/// What is known at the moment.
struct Observed {
  std::uint32_t kernel = 0;    ///< Reported by the kernel just now; 0: it said nothing.
  std::uint32_t truth = 0;     ///< Of these what is true, and EPOLLIN if rings can be read.
  std::uint64_t arrivals = 0;  ///< Stream position up to which bytes have come.
};

/// What the kernel's own registration needs after that.
enum class KernelDuty : std::uint8_t {
  kNothing,
  kDisable,  ///< EPOLLONESHOT was told by us: the kernel must not tell it again.
  kRestore,  ///< The kernel has spent EPOLLONESHOT on a doorbell, or was kicked: MOD to `events`.
};

struct Verdict {
  std::uint32_t events = 0;  ///< For the program; 0: nothing.
  KernelDuty duty = KernelDuty::kNothing;
};

/// Level-triggered: what is true now. Edge-triggered: what the kernel has reported as an edge, less
/// what only was a doorbell, and input by ring once for each growth of `arrivals` (an edge more
/// than TCP would have shown is possible, one less is not). EPOLLONESHOT: once. EPOLLERR and
/// EPOLLHUP need not be asked for (man 2 epoll_ctl). Updates `registration` as if `events` is then
/// given to the program.
Verdict judge(Registration& registration, const Observed& observed);

/// What the kernel is asked for a registration that judge() has spent, so that it wakes nobody.
/// The kernel always adds EPOLLERR and EPOLLHUP; with EPOLLONESHOT they come once at most.
inline constexpr std::uint32_t kDisabledEvents = EPOLLONESHOT;

inline constexpr std::uint32_t kInputEvents = EPOLLIN | EPOLLRDNORM;

[[nodiscard]] inline bool wants_input(const Registration& registration) {
  return (registration.events & kInputEvents) != 0 && !registration.spent;
}
/// Whether it is worth asking exactly, by truth: a ring may be readable, at `arrivals`.
[[nodiscard]] inline bool may_be_due(const Registration& registration, std::uint64_t arrivals) {
  if (!wants_input(registration)) return false;
  return (registration.events & EPOLLET) == 0 || registration.fresh ||
         arrivals != registration.told;
}

}  // namespace leat::preload
