// Internal: one attempt at a time to connect.
#pragma once

#include <memory>
#include <optional>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/base/unique_fd.h"
#include "leat/net/connection_options.h"
#include "leat/net/inet_address.h"
#include "leat/net/internal/dialler.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/channel.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/timer_id.h"

namespace leat::internal {

/// Connects to one address without blocking. Belongs to the loop's thread. The attempt ends when
/// the socket is writable, has an error, or the time is over.
class Connector final : public Dialler {
 public:
  struct Options {
    Duration timeout{0};  ///< ETIMEDOUT afterwards; 0: when the kernel gives up, in minutes.
    std::optional<InetAddress> bind_to;
    ConnectionOptions connection = {};
  };

  Connector(EventLoop& loop, const InetAddress& peer, Options options, DoneCallback done);
  ~Connector() override { cancel(); }
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  void start() override;
  void cancel() override;
  [[nodiscard]] bool is_connecting() const override { return connecting_; }

 private:
  [[nodiscard]] Result<void> prepare();
  void try_connect();
  void watch();
  void handle_ready();
  void succeed_unless_self();
  void fail(Error error);
  void fail_soon(Error error);
  [[nodiscard]] Error error(int number, std::string_view hint = {}) const;

  EventLoop& loop_;
  const InetAddress peer_;
  const Options options_;
  const DoneCallback done_;
  bool connecting_ = false;
  UniqueFd socket_;
  std::unique_ptr<Channel> channel_;
  TimerId timeout_timer_;
  TimerId soon_timer_;
};

}  // namespace leat::internal
