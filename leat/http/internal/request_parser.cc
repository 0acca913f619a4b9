#include "leat/http/internal/request_parser.h"

#include <algorithm>
#include <utility>

#include "leat/http/internal/head_check.h"
#include "leat/http/internal/text.h"

namespace leat::http::internal {
namespace {

HttpMethod method_of(std::uint8_t llhttp_method) {
  switch (llhttp_method) {
    case HTTP_GET:
      return HttpMethod::kGet;
    case HTTP_HEAD:
      return HttpMethod::kHead;
    case HTTP_POST:
      return HttpMethod::kPost;
    case HTTP_PUT:
      return HttpMethod::kPut;
    case HTTP_DELETE:
      return HttpMethod::kDelete;
    case HTTP_OPTIONS:
      return HttpMethod::kOptions;
    case HTTP_TRACE:
      return HttpMethod::kTrace;
    case HTTP_PATCH:
      return HttpMethod::kPatch;
    default:
      return HttpMethod::kOther;
  }
}

/// What llhttp refused in a head. `at` is the byte where it stopped, if there was one.
ParseError head_error(llhttp_errno_t error, std::string_view reason, char at) {
  switch (error) {
    case HPE_INVALID_METHOD:
      // RFC 9110, 9.1: 501 for a method that is not known; but this may be none at all.
      if (is_token_char(at)) return {501, "the method is not implemented"};
      return {400, "the request does not begin with a method"};
    case HPE_INVALID_CONSTANT:
      if (reason.starts_with("Invalid method")) return {501, "the method is not implemented"};
      return {400, "the request line does not end with HTTP/1.1 and CRLF"};
    case HPE_INVALID_VERSION:
      if (reason == "Invalid HTTP version")
        return {505, "this server speaks HTTP/1.0 and HTTP/1.1"};
      return {400, "the request line does not end with HTTP/1.1 and CRLF"};
    case HPE_PAUSED_H2_UPGRADE:
      return {505, "this server speaks HTTP/1.0 and HTTP/1.1"};
    case HPE_INVALID_URL:
      return {400, "the request target has a byte that it must not have"};
    case HPE_UNEXPECTED_CONTENT_LENGTH:
      return {400, "Content-Length is there twice, or beside Transfer-Encoding"};
    case HPE_INVALID_CONTENT_LENGTH:
      if (reason == "Content-Length overflow") return {413, "Content-Length is beyond all limits"};
      return {400, "Content-Length is no number"};
    case HPE_INVALID_TRANSFER_ENCODING:
      return {400, "Transfer-Encoding does not end with chunked"};
    case HPE_UNEXPECTED_SPACE:
      return {400, "there is space before the first header field"};
    case HPE_INVALID_HEADER_TOKEN:
      return {400, "a header field has a byte that it must not have"};
    default:
      return {400, "a line does not end with CRLF"};
  }
}

ParseError body_error(llhttp_errno_t error) {
  switch (error) {
    case HPE_INVALID_CHUNK_SIZE:
      return {400, "the size of a chunk is no number"};
    case HPE_CB_HEADER_FIELD_COMPLETE:
      return {400, "a trailer field has no name, or decides on framing or the way of a request"};
    case HPE_INVALID_HEADER_TOKEN:
    case HPE_INVALID_TRANSFER_ENCODING:
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
      return {400, "a trailer field is malformed"};
    default:
      return {400, "the chunked body is malformed"};
  }
}

}  // namespace

struct RequestParser::Callbacks {
  static RequestParser& of(llhttp_t* parser) { return *static_cast<RequestParser*>(parser->data); }

  static int on_url(llhttp_t* parser, const char* at, std::size_t length) {
    RequestParser& self = of(parser);
    Place& target = self.head_.target;
    if (target.size == 0) target.begin = static_cast<std::uint32_t>(at - self.base_);
    target.size += static_cast<std::uint32_t>(length);
    return HPE_OK;
  }
  static int on_version_complete(llhttp_t* parser) {
    of(parser).line_done_ = true;
    return HPE_OK;
  }
  static int on_header_field(llhttp_t* parser, const char* at, std::size_t length) {
    return of(parser).take_name(at, length);
  }
  static int on_header_field_complete(llhttp_t* parser) { return of(parser).end_name(); }
  static int on_headers_complete(llhttp_t* parser) {
    // No other protocol is spoken here, so Upgrade is ignored (RFC 9110, 7.8); llhttp would hand
    // over what follows as that protocol's.
    parser->upgrade = 0;
    return HPE_PAUSED;
  }
  static int on_body(llhttp_t* parser, const char* at, std::size_t length) {
    if (length == 0) return HPE_OK;
    of(parser).piece_ = {at, length};
    return HPE_PAUSED;
  }
  static int on_message_complete(llhttp_t* parser) {
    of(parser).message_done_ = true;
    return HPE_PAUSED;
  }

  static const llhttp_settings_t& settings() {
    static const llhttp_settings_t kSettings = [] {
      llhttp_settings_t settings;
      llhttp_settings_init(&settings);
      settings.on_url = on_url;
      settings.on_version_complete = on_version_complete;
      settings.on_header_field = on_header_field;
      settings.on_header_field_complete = on_header_field_complete;
      settings.on_headers_complete = on_headers_complete;
      settings.on_body = on_body;
      settings.on_message_complete = on_message_complete;
      return settings;
    }();
    return kSettings;
  }
};

RequestParser::RequestParser(const HttpOptions& limits) : limits_(limits) {
  head_.headers.reserve(16);
  restart();
}

void RequestParser::restart() {
  llhttp_init(&llhttp_, HTTP_REQUEST, &Callbacks::settings());
  llhttp_.data = this;
  std::vector<HeaderSlot> headers = std::move(head_.headers);
  headers.clear();
  head_ = RequestHead{};
  head_.headers = std::move(headers);
  error_ = {};
  phase_ = Phase::kHead;
  in_name_ = line_done_ = message_done_ = false;
  framing_check_.restart();
  parsed_ = framing_bytes_ = trailer_name_size_ = 0;
}

RequestParser::Event RequestParser::parse_head(std::string_view input) {
  if (phase_ == Phase::kFailed) return Event::kError;
  base_ = input.data();
  while (true) {
    // llhttp never sees a byte beyond a limit, so that it cannot find another fault there: what
    // the answer is must not depend on how the input was cut.
    const std::size_t limit = line_done_
                                  ? limits_.max_header_bytes
                                  : std::min(limits_.max_request_line, limits_.max_header_bytes);
    const std::size_t end = std::min(input.size(), limit);
    if (parsed_ < end) {
      const llhttp_errno_t error = llhttp_execute(&llhttp_, base_ + parsed_, end - parsed_);
      if (error == HPE_PAUSED) {
        parsed_ = static_cast<std::size_t>(llhttp_get_error_pos(&llhttp_) - base_);
        return finish_head();
      }
      if (error == HPE_CB_HEADER_FIELD_COMPLETE) return fail(error_);
      if (error != HPE_OK) {
        const char* at = llhttp_get_error_pos(&llhttp_);
        const bool is_inside = at >= base_ && at < base_ + end;
        return fail(head_error(error, llhttp_get_error_reason(&llhttp_), is_inside ? *at : '\0'));
      }
      parsed_ = end;
    }
    if (parsed_ < limit) return Event::kNeedMore;
    if (!line_done_) return fail({414, "the request line is too long"});
    if (limit == limits_.max_header_bytes) return fail({431, "the header section is too long"});
  }
}

RequestParser::Event RequestParser::finish_head() {
  const std::uint8_t method = llhttp_get_method(&llhttp_);
  head_.method = method_of(method);
  head_.content_length = llhttp_.content_length;
  ParsedLine line;
  line.method_size =
      std::string_view(llhttp_method_name(static_cast<llhttp_method_t>(method))).size();
  line.target = head_.target;
  line.major_version = llhttp_get_http_major(&llhttp_);
  line.minor_version = llhttp_get_http_minor(&llhttp_);
  line.chunked = (llhttp_.flags & F_CHUNKED) != 0;
  if (method == HTTP_CONNECT) return fail({501, "this server is no proxy"});
  if (const auto problem = check_head({base_, parsed_}, line, head_)) return fail(*problem);
  body_left_ = head_.framing == BodyFraming::kLength ? head_.content_length : 0;
  phase_ = Phase::kBody;
  return Event::kHead;
}

RequestParser::BodyStep RequestParser::parse_body(std::string_view input) {
  switch (phase_) {
    case Phase::kHead:
    case Phase::kFailed:
      return {Event::kError, 0, {}};
    case Phase::kEnd:
      return {Event::kEnd, 0, {}};
    case Phase::kBody:
      break;
  }
  if (head_.framing == BodyFraming::kChunked) return parse_chunked(input);
  if (body_left_ == 0) {
    phase_ = Phase::kEnd;
    return {Event::kEnd, 0, {}};
  }
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(input.size(), body_left_));
  body_left_ -= size;
  return {size == 0 ? Event::kNeedMore : Event::kBody, size, input.substr(0, size)};
}

RequestParser::BodyStep RequestParser::parse_chunked(std::string_view input) {
  // llhttp keeps the place of a piece in a pointer, and takes null, as of an empty view, for none.
  if (input.empty()) return {Event::kNeedMore, 0, {}};
  llhttp_resume(&llhttp_);
  base_ = input.data();
  piece_ = {};
  const llhttp_errno_t error = llhttp_execute(&llhttp_, input.data(), input.size());
  if (error != HPE_OK && error != HPE_PAUSED) {
    return {fail(body_error(error)), 0, {}};
  }
  const std::size_t consumed =
      error == HPE_OK ? input.size()
                      : static_cast<std::size_t>(llhttp_get_error_pos(&llhttp_) - base_);
  if (!check_framing(input, consumed)) return {Event::kError, 0, {}};
  if (!piece_.empty()) return {Event::kBody, consumed, piece_};
  if (!message_done_) return {Event::kNeedMore, consumed, {}};
  phase_ = Phase::kEnd;
  return {Event::kEnd, consumed, {}};
}

/// The bytes that were consumed, without the piece: chunk sizes, extensions, trailers.
bool RequestParser::check_framing(std::string_view input, std::size_t consumed) {
  const std::size_t before =
      piece_.empty() ? consumed : static_cast<std::size_t>(piece_.data() - input.data());
  const bool last_chunk = (llhttp_.flags & F_TRAILING) != 0 || message_done_;
  framing_bytes_ += before;
  const std::size_t limit =
      limits_.max_chunk_header_bytes + (last_chunk ? limits_.max_trailer_bytes : 0);
  if (framing_bytes_ > limit) {
    fail({400, last_chunk ? "the trailer section is too long" : "a chunk's header is too long"});
    return false;
  }
  if (!framing_check_.feed(input.substr(0, before))) {
    fail({400, "a line of the chunked body is folded or does not end with CRLF"});
    return false;
  }
  if (!piece_.empty()) {
    framing_check_.skip_data();
    framing_bytes_ = 0;
  }
  return true;
}

int RequestParser::take_name(const char* at, std::size_t length) {
  if (phase_ != Phase::kHead) {
    take_trailer_name({at, length});
    return HPE_OK;
  }
  const auto begin = static_cast<std::uint32_t>(at - base_);
  const auto end = begin + static_cast<std::uint32_t>(length);
  if (in_name_) {
    head_.headers.back().name_end = end;
    return HPE_OK;
  }
  head_.headers.push_back({begin, end, end, end});
  in_name_ = true;
  return HPE_OK;
}

int RequestParser::end_name() {
  if (phase_ != Phase::kHead) return end_trailer_name();
  in_name_ = false;
  // Here and not at a name's first byte, which a cut would show before what is wrong behind it.
  if (head_.headers.size() <= limits_.max_header_count) return HPE_OK;
  error_ = {431, "there are too many header fields"};
  return HPE_CB_HEADER_FIELD_COMPLETE;
}

void RequestParser::take_trailer_name(std::string_view part) {
  const std::size_t count = part.copy(trailer_name_.data() + trailer_name_size_,
                                      trailer_name_.size() - trailer_name_size_);
  trailer_name_size_ += count;
}

/// RFC 9110, 6.5.1: these cannot be trailer fields. They would be dropped like the others; but a
/// server further on that merges trailers into the head would believe them.
int RequestParser::end_trailer_name() {
  const std::string_view name(trailer_name_.data(), std::exchange(trailer_name_size_, 0));
  if (name.empty()) return HPE_CB_HEADER_FIELD_COMPLETE;
  for (const std::string_view forbidden : {"Content-Length", "Transfer-Encoding", "Host"}) {
    if (equal_ignoring_case(name, forbidden)) return HPE_CB_HEADER_FIELD_COMPLETE;
  }
  return HPE_OK;
}

RequestParser::Event RequestParser::fail(ParseError error) {
  error_ = error;
  phase_ = Phase::kFailed;
  return Event::kError;
}

}  // namespace leat::http::internal
