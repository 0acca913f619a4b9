// From responses to bytes.

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include "leat/base/assert.h"
#include "leat/http/http_status.h"
#include "leat/http/internal/http_session.h"
#include "leat/http/internal/output_pass.h"
#include "leat/reactor/event_loop.h"

namespace leat::http::internal {

namespace {

// From this size on a body is handed over as it is, instead of being copied behind its head.
constexpr std::size_t kCopiedBody = 16 * 1024;
// The gathered output is handed over at this size.
constexpr std::size_t kGathered = 128 * 1024;

template <typename Integer>
void append_number(std::string& out, Integer number, int base = 10) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base);
  out.append(digits.data(), end.ptr);
}

void append_length(std::string& out, std::uint64_t length) {
  static constexpr std::string_view kName = "Content-Length: ";
  std::array<char, kName.size() + 20 + 2> line;
  char* end = std::copy(kName.begin(), kName.end(), line.data());
  end = std::to_chars(end, line.data() + line.size(), length).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out.append(line.data(), end);
}

Error gone() {
  return Error::from_errno(EPIPE, "the HTTP connection is gone");
}

}  // namespace

Result<void> HttpSession::check_owed(std::uint64_t exchange) const {
  if (connection_ == nullptr) return gone();
  if (exchange == exchange_number_ && output_ == Output::kOwed) return {};
  return Error::from_errno(EALREADY, "the HTTP request has been answered");
}

Result<void> HttpSession::check_stream(std::uint64_t exchange) const {
  const bool open = connection_ != nullptr && exchange == exchange_number_ &&
                    output_ == Output::kStream && connection_->is_open();
  return open ? Result<void>() : gone();
}

Result<void> HttpSession::respond(std::uint64_t exchange, HttpResponse&& response) {
  if (Result<void> owed = check_owed(exchange); !owed) return owed;
  const bool valid = response.is_valid();
  const Pass pass(*this);
  if (!valid) response = HttpResponse::text("500 Internal Server Error\n", 500);
  write_response(std::move(response));
  output_done();
  if (valid) return {};
  return Error::invalid_argument("an HTTP response with a forbidden header field");
}

/// The response is whole; the request may not be.
void HttpSession::output_done() {
  output_ = Output::kDone;
  if (exchange_) exchange_->forget_stream();
  if (!processing_) queue_process();
}

void HttpSession::write_response(HttpResponse&& response) {
  const bool has_content = !status_forbids_content(response.status());
  // Anything left of the request's body has nobody to read it.
  if (input_ != Input::kDone) keep_alive_ = false;
  std::optional<std::uint64_t> length;
  if (has_content) length = answers_head_ ? response.length() : response.body_length();
  write_head(response, length, false);
  if (has_content && !answers_head_) write_body(response.take_body());
  ++unsent_responses_;
}

/// The header section; everything but the handler's own fields is written here.
void HttpSession::write_head(const HttpResponse& response, std::optional<std::uint64_t> length,
                             bool chunked) {
  LEAT_ASSERT(gathered_ != nullptr, "output outside of a pass");
  std::string& out = *gathered_;
  const int status = response.status();
  const Timestamp now = connection_->loop().poll_return_time();
  if (status == 200) {
    out += state_->ok_and_date(now);
  } else {
    out += "HTTP/1.1 ";
    append_number(out, status);
    out.append(" ").append(reason_phrase(status)).append("\r\n").append(state_->date(now));
  }
  out += response.header_lines();
  if (length) {
    append_length(out, *length);
  } else if (chunked) {
    out += "Transfer-Encoding: chunked\r\n";
  }
  if (!keep_alive_ || stopping_) {
    out += "Connection: close\r\n";
  } else if (http_1_0_) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
  const int kind = status / 100;
  state_->counters().responses[kind >= 1 && kind <= 5 ? static_cast<std::size_t>(kind) : 0].add();
}

void HttpSession::write_body(HttpResponse::Body body) {
  if (auto* text = std::get_if<std::string>(&body)) {
    if (text->size() < kCopiedBody) return write_piece(*text);
    flush_gathered();
    connection_->send(std::move(*text));
  } else if (auto* shared = std::get_if<SharedBytes>(&body)) {
    if (shared->bytes.size() < kCopiedBody) return write_piece(shared->bytes);
    flush_gathered();
    connection_->send(std::move(shared->owner), shared->bytes);
  } else if (auto* parts = std::get_if<std::vector<FilePart>>(&body)) {
    for (FilePart& part : *parts) {
      write_piece(part.text);
      if (part.length == 0) continue;
      flush_gathered();
      connection_->send_file(std::move(part.file), part.offset, part.length);
    }
  }
}

void HttpSession::write_piece(std::string_view bytes) {
  gathered_->append(bytes);
  if (gathered_->size() >= kGathered) flush_gathered();
}

void HttpSession::flush_gathered() {
  if (gathered_ == nullptr || gathered_->empty()) return;
  // A failure ends the connection, which tells the session.
  if (connection_ != nullptr) connection_->send(std::string_view(*gathered_));
  gathered_->clear();
}

// Streams.

Result<void> HttpSession::begin_stream(std::uint64_t exchange, const HttpResponse& head,
                                       std::optional<std::uint64_t> length) {
  if (Result<void> owed = check_owed(exchange); !owed) return owed;
  if (!head.is_valid() || head.length() != 0 || status_forbids_content(head.status())) {
    return Error::invalid_argument("an HTTP response that cannot be streamed");
  }
  const Pass pass(*this);
  chunked_ = !length && !http_1_0_;
  // Without a length and without chunks, the end of the connection is the end of the content.
  if (input_ != Input::kDone || (!length && !chunked_)) keep_alive_ = false;
  write_head(head, length, chunked_);
  exchange_->length_left = length;
  output_ = Output::kStream;
  ++unsent_responses_;
  return {};
}

Result<void> HttpSession::write_stream(std::uint64_t exchange, std::string_view bytes) {
  if (Result<void> open = check_stream(exchange); !open) return open;
  if (exchange_->length_left) {
    if (bytes.size() > *exchange_->length_left) {
      cut_stream(exchange);
      return Error::invalid_argument("an HTTP stream beyond its promised length");
    }
    *exchange_->length_left -= bytes.size();
  }
  if (bytes.empty() || answers_head_) return {};
  const Pass pass(*this);
  if (!chunked_) {
    write_piece(bytes);
    return {};
  }
  append_number(*gathered_, bytes.size(), 16);
  *gathered_ += "\r\n";
  write_piece(bytes);
  *gathered_ += "\r\n";
  return {};
}

Result<void> HttpSession::end_stream(std::uint64_t exchange) {
  if (Result<void> open = check_stream(exchange); !open) return open;
  if (exchange_->length_left.value_or(0) != 0 && !answers_head_) {
    cut_stream(exchange);
    return Error::invalid_argument("an HTTP stream short of its promised length");
  }
  const Pass pass(*this);
  if (chunked_ && !answers_head_) write_piece("0\r\n\r\n");
  output_done();
  return {};
}

/// What was sent is not whole. Closed and not reset: the client may have what there is, and sees
/// that the last chunk or some of the length is missing.
void HttpSession::cut_stream(std::uint64_t exchange) {
  if (!check_stream(exchange)) return;
  keep_alive_ = false;
  // Closed by end_exchange(): a handler on the stack may still look at its request, and calls
  // nobody who is not prepared for it.
  output_done();
}

bool HttpSession::stream_is_full() const {
  if (connection_ == nullptr) return false;
  const std::size_t waiting = connection_->queued_bytes() + (gathered_ ? gathered_->size() : 0);
  return waiting > core_->high_water_mark();
}

void HttpSession::on_stream_drained(std::uint64_t exchange, MoveOnlyFunction<void()> callback) {
  if (!check_stream(exchange)) return;
  exchange_->on_drained = std::move(callback);
  if (!stream_is_full()) queue_process();
}

void HttpSession::on_stream_closed(std::uint64_t exchange, MoveOnlyFunction<void()> callback) {
  if (check_stream(exchange)) exchange_->on_closed = std::move(callback);
}

}  // namespace leat::http::internal
