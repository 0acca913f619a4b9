#include "leat/reactor/poller.h"

#include "leat/reactor/internal/epoll_poller.h"

namespace leat {

Result<std::unique_ptr<Poller>> Poller::create(PollerKind kind) {
  switch (kind) {
    case PollerKind::kDefault:
    case PollerKind::kEpoll:
      return internal::EpollPoller::create();
  }
  return Error::invalid_argument("Poller::create: unknown kind of poller");
}

}  // namespace leat
