// Internal: the one place where a connection calls its user.
#pragma once

#include <exception>
#include <utility>

#include "leat/base/logging.h"
#include "leat/net/tcp_connection.h"

namespace leat {

template <typename Callback, typename... Args>
void TcpConnection::call(const Callback& callback, Args&&... args) {
  if (!callback) return;
  try {
    callback(shared_from_this(), std::forward<Args>(args)...);
    return;
  } catch (const std::exception& e) {
    tell_cut(e.what());
  } catch (...) {
    tell_cut("something");
  }
  finish(CloseReason::kCallbackException);
}

}  // namespace leat
