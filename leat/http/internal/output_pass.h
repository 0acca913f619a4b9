// Internal: one go at a connection, whose output is gathered.
#pragma once

#include <cstdint>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include "leat/http/internal/http_session.h"

namespace leat::http::internal {

/// While it lives, responses are written into one string, which goes to the connection at its end:
/// the responses of many pipelined requests in one piece. A pass inside another gathers for it.
/// An exception that leaves a pass around output, such as std::bad_alloc, cuts the connection: who
/// catches it might go on behind half a response.
class HttpSession::Pass {
 public:
  enum class Around : std::uint8_t { kOutput, kHandlers };

  explicit Pass(HttpSession& session, Around what = Around::kOutput)
      : session_(session), what_(what), outermost_(!session.gathered_) {
    if (!outermost_) return;
    buffer_ = session.state_->take_buffer();
    session.gathered_ = &buffer_;
  }
  ~Pass() {
    if (what_ == Around::kOutput && std::uncaught_exceptions() > exceptions_) {
      session_.cut("an HTTP response could not be written");
    }
    if (!outermost_) return;
    try {
      session_.flush_gathered();
    } catch (const std::bad_alloc&) {
      session_.cut("an HTTP response found no memory");
    }
    session_.gathered_ = nullptr;
    session_.state_->give_back(std::move(buffer_));
  }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

 private:
  HttpSession& session_;
  const Around what_;
  const bool outermost_;
  const int exceptions_ = std::uncaught_exceptions();
  std::string buffer_;
};

}  // namespace leat::http::internal
