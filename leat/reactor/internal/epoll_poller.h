// Internal: the Poller over epoll.
#pragma once

#include <sys/epoll.h>

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "leat/base/unique_fd.h"
#include "leat/reactor/poller.h"

namespace leat::internal {

/// Level-triggered epoll. Level, not edge: a callback that reads only part of what is there (a
/// budget, a full bound) is called again without bookkeeping, and one read per event is enough.
class EpollPoller final : public Poller {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Poller>> create();

  [[nodiscard]] std::string_view name() const override { return "epoll"; }
  Result<void> update(Channel& channel) override;
  void remove(Channel& channel) override;
  Result<std::size_t> poll(std::optional<Duration> timeout) override;
  void dispatch(Timestamp poll_return_time) override;
  /// The ioctl EPIOCSPARAMS, Linux 6.9.
  Result<void> set_busy_poll(const BusyPollOptions& options) override;

 private:
  explicit EpollPoller(UniqueFd epoll_fd);

  void forget(Channel& channel);
  /// Waits with the resolution of nanoseconds where the kernel can (5.11), else of milliseconds.
  int wait(std::optional<Duration> timeout);

  UniqueFd epoll_fd_;
  bool has_pwait2_ = true;
  bool full_ = false;  // the last poll filled events_
  std::vector<epoll_event> events_;
  std::vector<Channel*> ready_;  // by the last poll; null where a channel was removed since
};

}  // namespace leat::internal
