// Internal: bytes in, one request's head and the pieces of its body out.
#pragma once

#include <llhttp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "leat/http/http_options.h"
#include "leat/http/internal/framing_check.h"
#include "leat/http/internal/request_head.h"

namespace leat::http::internal {

/// llhttp in strict mode, and what RFC 9112 wants beyond it (head_check.h). Pure: it reads no
/// clock and knows no connection; where the input was cut makes no difference to what comes out.
///
///                       kHead                 kNeedMore, kBody
///      +------+  the head is whole   +------+ ---+
///      | head |--------------------->| body |    |
///      +------+                      +------+ <--+
///       |  ^  \                       /  | kEnd
///       +--+   \ kError              /   v
///     kNeedMore  +--> rejected <----+   restart() for the next request
///
/// A head must be shown whole and in one piece: parse_head() takes the same bytes again, with what
/// followed them, and goes on where it had stopped. A body is consumed as it comes.
class RequestParser {
 public:
  enum class Event { kNeedMore, kHead, kBody, kEnd, kError };

  /// What parse_body() has found at the front of its input.
  struct BodyStep {
    Event event = Event::kNeedMore;
    std::size_t consumed = 0;  ///< Bytes not to be shown again.
    std::string_view piece;    ///< For kBody, a view into the input, not empty.
  };

  /// `limits` must outlive the parser.
  explicit RequestParser(const HttpOptions& limits);
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  /// Forgets everything: the next bytes begin a request.
  void restart();

  /// `input` is everything since the request's first byte. kNeedMore, kHead or kError.
  [[nodiscard]] Event parse_head(std::string_view input);
  /// After kHead. The places in it are relative to the input's first byte.
  [[nodiscard]] const RequestHead& head() const { return head_; }
  /// After kHead: how many bytes of the input the head took.
  [[nodiscard]] std::size_t head_size() const { return parsed_; }

  /// After kHead, with all that came behind the head and was not consumed. At most one piece a
  /// call: call it again, also with nothing left, until kNeedMore, kEnd or kError.
  [[nodiscard]] BodyStep parse_body(std::string_view input);

  /// The request was HEAD, so that no answer has content (RFC 9110, 9.3.2). Also after kError and
  /// before the head is whole, if the method had come.
  [[nodiscard]] bool is_head_request() const { return llhttp_.method == HTTP_HEAD; }

  /// After kError.
  [[nodiscard]] const ParseError& error() const { return error_; }

 private:
  enum class Phase : std::uint8_t { kHead, kBody, kEnd, kFailed };
  struct Callbacks;

  Event fail(ParseError error);
  Event finish_head();
  BodyStep parse_chunked(std::string_view input);
  bool check_framing(std::string_view input, std::size_t consumed);
  int take_name(const char* at, std::size_t length);
  int end_name();
  void take_trailer_name(std::string_view part);
  int end_trailer_name();

  const HttpOptions& limits_;
  llhttp_t llhttp_;
  RequestHead head_;
  ParseError error_;
  Phase phase_ = Phase::kHead;
  bool in_name_ = false;  // the present name came in several pieces
  bool line_done_ = false;
  bool message_done_ = false;
  FramingCheck framing_check_;
  // The name of the present trailer field; of a longer one the beginning.
  std::array<char, 24> trailer_name_;
  std::size_t trailer_name_size_ = 0;
  const char* base_ = nullptr;  // of the present input
  std::size_t parsed_ = 0;      // bytes of the head that llhttp has seen
  std::size_t framing_bytes_ = 0;
  std::uint64_t body_left_ = 0;  // of a body with a length
  std::string_view piece_;       // what the present call found
};

}  // namespace leat::http::internal
