#include "leat/http/internal/head_check.h"

#include <algorithm>
#include <cstdint>

#include "leat/http/internal/request_target.h"
#include "leat/http/internal/text.h"

namespace leat::http::internal {
namespace {

using Problem = std::optional<ParseError>;

Place place_of(std::string_view part, const char* base) {
  if (part.empty()) return {};
  return {static_cast<std::uint32_t>(part.data() - base), static_cast<std::uint32_t>(part.size())};
}

/// The request line; `position` moves from the head's first byte to the first header field.
Problem check_line(std::string_view bytes, const ParsedLine& line, RequestHead& head,
                   std::size_t& position) {
  // RFC 9112, 2.2: empty lines before a request are to be ignored.
  while (bytes.substr(position, 2) == "\r\n") position += 2;
  head.method_name = {static_cast<std::uint32_t>(position),
                      static_cast<std::uint32_t>(line.method_size)};
  const std::size_t method_end = position + line.method_size;
  if (method_end + 1 != line.target.begin || bytes[method_end] != ' ') {
    return ParseError{400, "the request line does not begin with a method and one space"};
  }
  static constexpr std::string_view kVersion = " HTTP/0.0\r\n";
  const std::size_t end = line.target.begin + line.target.size;
  const std::string_view version = bytes.substr(end, kVersion.size());
  const bool is_http = version.size() == kVersion.size() && version.starts_with(" HTTP/") &&
                       is_digit(version[6]) && version[7] == '.' && is_digit(version[8]) &&
                       version.ends_with("\r\n");
  if (!is_http) return ParseError{400, "the request line does not end with HTTP/1.1 and CRLF"};
  if (line.major_version != 1) {
    return ParseError{505, "this server speaks HTTP/1.0 and HTTP/1.1"};
  }
  head.minor_version = line.minor_version;
  position = end + kVersion.size();
  return std::nullopt;
}

/// What stands at `position` in place of a field or of the empty line at the end.
ParseError no_field(std::string_view bytes, std::size_t position) {
  if (position < bytes.size() && is_space(bytes[position])) {
    return {400, "a header field is folded"};  // RFC 9112, 5.2
  }
  return {400, "a line does not end with CRLF"};
}

/// The form of the header fields; finds their values.
Problem check_fields(std::string_view bytes, RequestHead& head, std::size_t position) {
  for (HeaderSlot& slot : head.headers) {
    if (slot.name_begin != position) return no_field(bytes, position);
    if (slot.name_end == slot.name_begin) return ParseError{400, "a header field has no name"};
    const std::size_t end = bytes.find('\r', slot.name_end);
    if (bytes[slot.name_end] != ':' || bytes.substr(std::min(end, bytes.size()), 2) != "\r\n") {
      return ParseError{400, "a header field does not end with CRLF"};
    }
    const std::string_view value = trim(bytes.substr(slot.name_end + 1, end - slot.name_end - 1));
    slot.value_begin =
        value.empty() ? slot.name_end : static_cast<std::uint32_t>(value.data() - bytes.data());
    slot.value_end = slot.value_begin + static_cast<std::uint32_t>(value.size());
    position = end + 2;
  }
  if (bytes.substr(position) != "\r\n") return no_field(bytes, position);
  return std::nullopt;
}

Problem check_target(std::string_view bytes, const ParsedLine& line, RequestHead& head) {
  head.target = line.target;
  const auto target =
      parse_request_target(line.target.in(bytes.data()), head.method == HttpMethod::kOptions);
  if (!target) return ParseError{400, "the request target is not one of RFC 9112, 3.2"};
  head.path = place_of(target->path, bytes.data());
  head.query = place_of(target->query, bytes.data());
  head.host = place_of(target->authority, bytes.data());
  return std::nullopt;
}

/// The fields that decide on framing, on the connection and on where the request goes.
class FieldScan {
 public:
  FieldScan(const ParsedLine& line, RequestHead& head) : line_(line), head_(head) {}

  void look_at(const HeaderField& field) {
    switch (field.name.size()) {
      case 4:
        if (equal_ignoring_case(field.name, "host")) {
          ++hosts_;
          host_ = field.value;
        }
        break;
      case 6:
        if (equal_ignoring_case(field.name, "expect")) look_at_expect(field.value);
        break;
      case 10:
        if (equal_ignoring_case(field.name, "connection")) look_at_connection(field.value);
        break;
      case 14:
        if (equal_ignoring_case(field.name, "content-length")) has_length_ = true;
        break;
      case 17:
        if (equal_ignoring_case(field.name, "transfer-encoding")) {
          ++transfer_encodings_;
          coding_ = field.value;
        }
        break;
      default:
        break;
    }
  }

  Problem verdict(std::string_view bytes) {
    if (const Problem problem = check_host(bytes)) return problem;
    if (const Problem problem = check_framing()) return problem;
    // RFC 9112, 9.3.
    head_.keep_alive = !close_ && (head_.minor_version >= 1 || keep_alive_);
    // RFC 9110, 10.1.1: an HTTP/1.0 client cannot mean it.
    if (head_.minor_version == 0) head_.expects_continue = false;
    return std::nullopt;
  }

 private:
  void look_at_expect(std::string_view value) {
    while (const auto element = next_list_element(value)) {
      if (equal_ignoring_case(*element, "100-continue")) {
        head_.expects_continue = true;
      } else {
        head_.unknown_expectation = true;
      }
    }
  }
  void look_at_connection(std::string_view value) {
    // As it nearly always is.
    if (equal_ignoring_case(value, "keep-alive")) {
      keep_alive_ = true;
      return;
    }
    while (const auto option = next_list_element(value)) {
      if (equal_ignoring_case(*option, "close")) close_ = true;
      if (equal_ignoring_case(*option, "keep-alive")) keep_alive_ = true;
    }
  }

  // RFC 9112, 3.2.
  Problem check_host(std::string_view bytes) {
    if (hosts_ > 1) return ParseError{400, "there is more than one Host field"};
    if (hosts_ == 0 && head_.minor_version >= 1) return ParseError{400, "there is no Host field"};
    if (!is_host(host_)) return ParseError{400, "the Host field is no host"};
    // 3.2.2: the authority of an absolute target takes its place.
    if (head_.host.size == 0) head_.host = place_of(host_, bytes.data());
    return std::nullopt;
  }

  // RFC 9112, 6.1 to 6.3.
  Problem check_framing() {
    if (transfer_encodings_ > 0) {
      if (has_length_) {
        return ParseError{400, "there are both Content-Length and Transfer-Encoding"};
      }
      if (head_.minor_version == 0) return ParseError{400, "Transfer-Encoding in HTTP/1.0"};
      if (transfer_encodings_ > 1) {
        return ParseError{400, "there is more than one Transfer-Encoding field"};
      }
      if (!equal_ignoring_case(coding_, "chunked")) return check_codings();
      if (!line_.chunked) return ParseError{400, "Transfer-Encoding is not chunked alone"};
      head_.framing = BodyFraming::kChunked;
    } else if (head_.content_length > 0) {
      head_.framing = BodyFraming::kLength;
    }
    return std::nullopt;
  }

  /// 6.1: codings that are not understood are 501; but if chunked is not the last one nobody can
  /// tell where the body ends (6.3).
  Problem check_codings() {
    std::string_view last;
    while (const auto coding = next_list_element(coding_)) last = *coding;
    if (!equal_ignoring_case(last, "chunked")) {
      return ParseError{400, "Transfer-Encoding does not end with chunked"};
    }
    return ParseError{501, "the only transfer coding known here is chunked"};
  }

  const ParsedLine& line_;
  RequestHead& head_;
  int hosts_ = 0;
  int transfer_encodings_ = 0;
  bool has_length_ = false;
  bool close_ = false;
  bool keep_alive_ = false;
  std::string_view host_;
  std::string_view coding_;
};

}  // namespace

std::optional<ParseError> check_head(std::string_view bytes, const ParsedLine& line,
                                     RequestHead& head) {
  std::size_t position = 0;
  if (const Problem problem = check_line(bytes, line, head, position)) return problem;
  if (const Problem problem = check_fields(bytes, head, position)) return problem;
  if (const Problem problem = check_target(bytes, line, head)) return problem;
  FieldScan scan(line, head);
  for (const HeaderField& field : HeaderList(bytes.data(), head.headers)) scan.look_at(field);
  return scan.verdict(bytes);
}

}  // namespace leat::http::internal
