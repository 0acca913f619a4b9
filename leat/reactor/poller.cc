#include "leat/reactor/poller.h"

#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "leat/base/logging.h"
#include "leat/reactor/internal/epoll_poller.h"
#ifdef LEAT_HAS_URING
#include "leat/reactor/internal/uring_poller.h"
#endif

namespace leat {

namespace {

Result<std::unique_ptr<Poller>> create_uring() {
#ifdef LEAT_HAS_URING
  return internal::UringPoller::create();
#else
  return Error::from_errno(ENOSYS, "this build of leat has no io_uring (LEAT_URING)");
#endif
}

Result<std::unique_ptr<Poller>> create_uring_or_epoll() {
  // Each once: memory may suffice for the rings of some loops and not for all.
  static std::once_flag told_uring;
  static std::once_flag told_epoll;
  Result<std::unique_ptr<Poller>> uring = create_uring();
  if (uring) {
    std::call_once(told_uring, [] { LEAT_LOG_INFO("event loops wait by io_uring"); });
    return uring;
  }
  std::call_once(told_epoll, [&uring] {
    LEAT_LOG_INFO("event loops wait by epoll; io_uring is not to be had: {}",
                  uring.error().message());
  });
  return internal::EpollPoller::create();
}

Result<PollerKind> kind_of_environment() {
  const char* value = std::getenv("LEAT_POLLER");
  const std::string_view wanted = value == nullptr ? "" : value;
  if (wanted.empty()) return PollerKind::kUringIfPossible;
  if (wanted == "epoll") return PollerKind::kEpoll;
  if (wanted == "uring" || wanted == "io_uring") return PollerKind::kUring;
  return Error::invalid_argument("LEAT_POLLER must be epoll or uring, is: " + std::string(wanted));
}

}  // namespace

Result<void> Poller::set_busy_poll(const BusyPollOptions&) {
  return Error::from_errno(ENOTSUP,
                           fmt::format("busy polling (the {} poller has none, epoll has)", name()));
}

Result<std::unique_ptr<Poller>> Poller::create(PollerKind kind) {
  if (kind == PollerKind::kDefault) {
    const Result<PollerKind> chosen = kind_of_environment();
    if (!chosen) return chosen.error();
    kind = *chosen;
  }
  switch (kind) {
    case PollerKind::kDefault:
    case PollerKind::kEpoll:
      return internal::EpollPoller::create();
    case PollerKind::kUring:
      return create_uring();
    case PollerKind::kUringIfPossible:
      return create_uring_or_epoll();
  }
  return Error::invalid_argument("Poller::create: unknown kind of poller");
}

}  // namespace leat
