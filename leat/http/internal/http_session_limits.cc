// The time that a client may take. One timer a connection: activity only notes when the next limit
// is due, and the timer, when it fires, looks whether that has moved.

#include <utility>

#include "leat/http/internal/http_session.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/internal/deadline.h"

namespace leat::http::internal {

/// After each go at the connection: which limit holds now.
void HttpSession::settle() {
  const HttpOptions& options = core_->options();
  switch (input_) {
    case Input::kHead:
      if (wants_drain_) return set_limit(Limit::kNone, {});  // the write time limit holds
      if (head_begun_) {
        if (limit_ != Limit::kHeader) set_limit(Limit::kHeader, options.header_time);
        return;
      }
      if (exchange_) state_->give_back(std::move(exchange_));
      // A client that is still taking its responses is not idle; the write time limit holds.
      return set_limit(unsent_responses_ > 0 ? Limit::kNone : Limit::kIdle, options.idle_time);
    case Input::kCollect:
    case Input::kUpload:
      if (upload_paused_) return set_limit(Limit::kNone, {});
      if (limit_ == Limit::kBody) return;
      body_progress_ = 0;
      return set_limit(Limit::kBody, options.body_time);
    case Input::kDone:
    case Input::kStopped:
      return set_limit(Limit::kNone, {});
  }
}

void HttpSession::set_limit(Limit limit, Duration span) {
  limit_ = span > Duration::zero() ? limit : Limit::kNone;
  if (limit_ == Limit::kNone) return;
  limit_due_ = leat::internal::deadline_after(connection_->loop().now(), span);
  if (!timer_.is_valid() || limit_due_ < armed_for_) arm(limit_due_);
}

void HttpSession::arm(MonotonicTime due) {
  EventLoop& loop = connection_->loop();
  if (timer_.is_valid()) loop.cancel(timer_);
  armed_for_ = due;
  timer_ = loop.run_at(due, [this] { limit_timer_fired(); });
}

void HttpSession::limit_timer_fired() {
  timer_ = {};
  if (limit_ == Limit::kNone) return;
  if (connection_->loop().now() < limit_due_) return arm(limit_due_);
  guarded([this] { limit_passed(); });
}

void HttpSession::limit_passed() {
  const Limit limit = std::exchange(limit_, Limit::kNone);
  const HttpOptions& options = core_->options();
  if (limit == Limit::kBody && body_progress_ >= options.min_body_progress) {
    body_progress_ = 0;
    return set_limit(Limit::kBody, options.body_time);
  }
  // Line ends behind a request are no beginning of another (RFC 9112, 2.2).
  const bool has_begun = unread().find_first_not_of("\r\n") != std::string_view::npos;
  if (limit == Limit::kIdle || (limit == Limit::kHeader && !has_begun)) {
    stop_input();
    connection_->close();
    return;
  }
  state_->counters().timeouts.add();
  reject(408,
         limit == Limit::kHeader ? "the header section took too long" : "the body came too slowly");
}

}  // namespace leat::http::internal
