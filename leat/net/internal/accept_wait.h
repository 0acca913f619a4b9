// Internal: what a coroutine awaits of a listener.
#pragma once

#include <memory>
#include <optional>

#include "leat/base/result.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/internal/linked_list.h"
#include "leat/reactor/internal/wait.h"

namespace leat::internal {

class ListenerCore;
struct AcceptTag;

/// co_await listener.accept()
class AcceptWait final : public Wait, public Link<AcceptTag> {
 public:
  explicit AcceptWait(std::shared_ptr<ListenerCore> core) : core_(std::move(core)) {}
  ~AcceptWait() = default;

  [[nodiscard]] Result<TcpConnectionPtr> await_resume();

  // For the listener.

  void give(ConnectedSocket socket) { socket_ = std::move(socket); }
  using Wait::give_up;
  using Wait::resume;

 private:
  bool begin() override;
  void cancel() override;

  const std::shared_ptr<ListenerCore> core_;
  std::optional<ConnectedSocket> socket_;
};

}  // namespace leat::internal
