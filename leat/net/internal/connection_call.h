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
  } catch (const std::exception& e) {
    finish_for_exception(e.what());
  } catch (...) {
    finish_for_exception("something");
  }
}

}  // namespace leat
