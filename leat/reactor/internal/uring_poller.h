// Internal: the Poller over io_uring.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "leat/reactor/internal/uring.h"
#include "leat/reactor/poller.h"

namespace leat::internal {

/// Channels by poll requests, and the ring for those that work by completions.
///
/// A channel's poll is single and submitted again after each event, at the same moment as all other
/// requests: that costs no system call, and asks the kernel for the state of the descriptor anew,
/// which is what level-triggered means. Multishot poll tells only of changes.
class UringPoller final : public Poller {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Poller>> create();
  ~UringPoller() override;

  [[nodiscard]] std::string_view name() const override { return "io_uring"; }
  Result<void> update(Channel& channel) override;
  void remove(Channel& channel) override;
  Result<std::size_t> poll(std::optional<Duration> timeout) override;
  void dispatch(Timestamp poll_return_time) override;
  Result<void> set_busy_poll(const BusyPollOptions& options) override;
  void rest() override { uring_->rest(); }
  [[nodiscard]] Uring* uring() override { return uring_.get(); }

 private:
  class Poll;

  explicit UringPoller(std::unique_ptr<Uring> uring);

  void arm_later(Poll& poll);
  void arm_waiting();
  void arm(Poll& poll);

  std::unique_ptr<Uring> uring_;
  std::size_t polls_ = 0;       // that exist
  std::vector<Poll*> waiting_;  // to be armed before the next wait; with room for all
  Timestamp time_;              // of the dispatch that is going on
};

}  // namespace leat::internal
