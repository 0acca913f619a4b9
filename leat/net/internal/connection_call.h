// Internal: the one place where a connection calls its user, and where others call it.
#pragma once

#include <atomic>
#include <cstddef>
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

template <typename Call>
bool TcpConnection::post_call(Call call) {
  using internal::ConnectionSeat;
  ConnectionSeat* seat = seat_.load();
  for (;;) {
    seat->posting.fetch_add(1);
    ConnectionSeat* const now = seat_.load();
    if (now == seat) break;
    seat->posting.fetch_sub(1);
    seat = now;
  }
  struct Done {
    std::atomic<std::size_t>& posting;
    ~Done() { posting.fetch_sub(1); }
  } const done{seat->posting};
  if (seat->handle.is_in_loop_thread()) {
    // The connection is on its way here; this thread's next call must not overtake.
    if (state() != State::kClosed) seat->waiting.emplace_back(std::move(call));
    return true;
  }
  return seat->handle.queue([self = shared_from_this(), seat, call = std::move(call)]() mutable {
    if (self->is_here()) {
      call(*self);
    } else if (self->state() != State::kClosed) {
      seat->waiting.emplace_back(std::move(call));
    }
  });
}

}  // namespace leat
