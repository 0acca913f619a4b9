// Internal: a kernel socket by readiness, on any poller.
#pragma once

#include "leat/base/unique_fd.h"
#include "leat/net/internal/transport.h"
#include "leat/reactor/channel.h"

namespace leat::internal {

/// One recv() for each event: with level-triggered readiness a second one, only to be told
/// that nothing is left, would be wasted.
class ReadinessTransport final : public Transport {
 public:
  ReadinessTransport(EventLoop& loop, UniqueFd socket, NetCounters& counters);

  Result<void> start(TransportUser& user) override;
  void set_user(TransportUser& user) override { user_ = &user; }
  Result<void> set_reading(bool on) override;
  Written write(SendQueue& queue) override;
  std::size_t write_now(const SendQueue& queue, std::string_view bytes) override;
  [[nodiscard]] bool is_blocked() const override { return channel_.is_writing(); }
  void shutdown_write() override;
  void close(bool reset) override;
  [[nodiscard]] bool can_detach() const override { return true; }
  bool detach() override;
  [[nodiscard]] Detached take_detached() override;
  [[nodiscard]] int fd() const override { return socket_.get(); }

 private:
  void handle_read();
  void handle_error();

  UniqueFd socket_;
  Channel channel_;
  NetCounters& counters_;
  TransportUser* user_ = nullptr;
  bool closed_ = false;
};

}  // namespace leat::internal
