#include "leat/http/http_responder.h"

#include <cerrno>
#include <memory>
#include <new>
#include <utility>

#include "leat/base/assert.h"
#include "leat/http/internal/http_session.h"

namespace leat::http {

using internal::HttpSession;

// HttpResponder.

HttpResponder& HttpResponder::operator=(HttpResponder&& other) noexcept {
  HttpResponder old(std::move(*this));
  session_ = std::move(other.session_);
  exchange_ = other.exchange_;
  return *this;
}

HttpResponder::~HttpResponder() {
  if (!session_) return;
  const std::shared_ptr<HttpSession> session = session_;
  try {
    respond(HttpResponse::text("500 Internal Server Error\n", 500));
  } catch (const std::bad_alloc&) {
    if (session->loop_handle().is_in_loop_thread())
      session->cut("an HTTP response found no memory");
  }
}

Result<void> HttpResponder::respond(HttpResponse response) {
  LEAT_ASSERT(session_ != nullptr, "a responder that has been used");
  if (session_->loop_handle().is_in_loop_thread()) {
    const std::shared_ptr<HttpSession> session = std::exchange(session_, nullptr);
    return session->respond(exchange_, std::move(response));
  }
  const bool queued = session_->loop_handle().queue(
      [session = session_, exchange = exchange_, response = std::move(response)]() mutable {
        session->respond(exchange, std::move(response));
      });
  session_.reset();
  if (queued) return {};
  return Error::from_errno(EPIPE, "the loop of the HTTP connection has ended");
}

Result<HttpStream> HttpResponder::stream(const HttpResponse& head,
                                         std::optional<std::uint64_t> length) {
  LEAT_ASSERT(session_ != nullptr, "a responder that has been used");
  Result<void> begun = session_->begin_stream(exchange_, head, length);
  if (!begun) {
    respond(HttpResponse::text("500 Internal Server Error\n", 500));
    return std::move(begun).error();
  }
  return HttpStream(std::exchange(session_, nullptr), exchange_);
}

void HttpResponder::pause_upload() {
  session_->pause_upload(exchange_, true);
}
void HttpResponder::resume_upload() {
  session_->pause_upload(exchange_, false);
}
bool HttpResponder::is_open() const {
  return session_->is_open(exchange_);
}
const LoopHandle& HttpResponder::loop_handle() const {
  return session_->loop_handle();
}

// HttpStream.

HttpStream& HttpStream::operator=(HttpStream&& other) noexcept {
  if (this != &other) {
    cut();
    session_ = std::move(other.session_);
    exchange_ = other.exchange_;
  }
  return *this;
}

HttpStream::~HttpStream() {
  cut();
}

void HttpStream::cut() noexcept {
  if (!session_) return;
  const std::shared_ptr<HttpSession> session = std::exchange(session_, nullptr);
  try {
    session->cut_stream(exchange_);
  } catch (const std::bad_alloc&) {
    session->cut("an HTTP response found no memory");
  }
}

Result<void> HttpStream::write(std::string_view bytes) {
  LEAT_ASSERT(session_ != nullptr, "a stream that has ended");
  return session_->write_stream(exchange_, bytes);
}

Result<void> HttpStream::end() {
  LEAT_ASSERT(session_ != nullptr, "a stream that has ended");
  return std::exchange(session_, nullptr)->end_stream(exchange_);
}

bool HttpStream::is_full() const {
  return session_ != nullptr && session_->stream_is_full();
}

void HttpStream::on_drained(MoveOnlyFunction<void()> callback) {
  session_->on_stream_drained(exchange_, std::move(callback));
}

void HttpStream::on_closed(MoveOnlyFunction<void()> callback) {
  session_->on_stream_closed(exchange_, std::move(callback));
}

}  // namespace leat::http
