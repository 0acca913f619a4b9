#include "apps/preload/event_rules.h"

namespace leat::preload {

Verdict judge(Registration& registration, const Observed& observed) {
  const bool was_kicked = registration.kicked && observed.kernel != 0;
  if (was_kicked) registration.kicked = false;
  // What was harvested before the registration was spent by another thread.
  if (registration.spent) return {};

  const std::uint32_t asked = registration.events | EPOLLERR | EPOLLHUP;
  std::uint32_t events = observed.truth & observed.kernel & asked & ~kInputEvents;
  if ((observed.truth & EPOLLIN) != 0 && (asked & kInputEvents) != 0) {
    const bool edge_triggered = (registration.events & EPOLLET) != 0;
    if (!edge_triggered || registration.fresh || observed.arrivals != registration.told ||
        (observed.kernel & kInputEvents) != 0) {
      events |= kInputEvents & registration.events;
      registration.told = observed.arrivals;
      registration.fresh = false;
    }
  }

  const bool once = (registration.events & EPOLLONESHOT) != 0;
  if (events == 0) {
    // The kernel has spent it, or waits for too much.
    const bool restore = observed.kernel != 0 && (once || was_kicked);
    return {0, restore ? KernelDuty::kRestore : KernelDuty::kNothing};
  }
  if (once) {
    registration.spent = true;
    return {events, observed.kernel != 0 ? KernelDuty::kNothing : KernelDuty::kDisable};
  }
  return {events, was_kicked ? KernelDuty::kRestore : KernelDuty::kNothing};
}

}  // namespace leat::preload
