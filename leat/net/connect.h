// Public: connecting in a coroutine.
#pragma once

#include <memory>
#include <optional>
#include <type_traits>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/net/connection_options.h"
#include "leat/net/inet_address.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/internal/wait.h"

namespace leat {

struct ConnectOptions {
  /// ETIMEDOUT afterwards; 0: when the kernel gives up, in minutes.
  Duration timeout = std::chrono::seconds(10);
  /// Local address, with port 0 for any.
  std::optional<InetAddress> bind_to = std::nullopt;
  ConnectionOptions connection = {};
};
// Written in braces inside a co_await it would else be destroyed twice by GCC 12.
static_assert(std::is_trivially_copyable_v<ConnectOptions>);

namespace internal {

class Connector;

class ConnectWait final : public Wait {
 public:
  ConnectWait(const InetAddress& peer, const ConnectOptions& options);
  ~ConnectWait();

  [[nodiscard]] Result<TcpConnectionPtr> await_resume();

 private:
  bool begin() override;
  void cancel() override;
  void release();

  const InetAddress peer_;
  const ConnectOptions options_;
  std::shared_ptr<Connector> connector_;
  std::optional<Result<ConnectedSocket>> result_;
};

}  // namespace internal

/// `co_await connect(address)`: a connection to `peer`, TCP or Unix, on the task's loop, as a
/// Result<TcpConnectionPtr>. It is closed when the last copy of that pointer has gone, if not
/// before. Fails with what connect() fails with, ETIMEDOUT after the timeout, and ECANCELED. Throws
/// std::bad_alloc without memory.
[[nodiscard]] inline internal::ConnectWait connect(const InetAddress& peer,
                                                   const ConnectOptions& options = {}) {
  return {peer, options};
}

}  // namespace leat
