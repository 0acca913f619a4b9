// Internal: one go at a connection, whose output is gathered.
#pragma once

#include <new>
#include <string>
#include <utility>

#include "leat/http/internal/http_session.h"

namespace leat::http::internal {

/// While it lives, responses are written into one string, which goes to the connection at its end:
/// the responses of many pipelined requests in one piece. A pass inside another does nothing.
class HttpSession::Pass {
 public:
  explicit Pass(HttpSession& session) : session_(session), outermost_(!session.gathered_) {
    if (!outermost_) return;
    buffer_ = session.state_->take_buffer();
    session.gathered_ = &buffer_;
  }
  ~Pass() {
    if (!outermost_) return;
    try {
      session_.flush_gathered();
    } catch (const std::bad_alloc&) {
      session_.handler_threw("out of memory");
    }
    session_.gathered_ = nullptr;
    session_.state_->give_back(std::move(buffer_));
  }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

 private:
  HttpSession& session_;
  const bool outermost_;
  std::string buffer_;
};

}  // namespace leat::http::internal
