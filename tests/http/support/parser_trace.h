// Internal: runs a RequestParser over bytes cut in any way and writes down what comes out.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "leat/http/http_options.h"
#include "leat/http/internal/request_parser.h"

namespace leat::http::testing {

/// "HEAD GET / 1.1 host=a keep | Host=a; BODY abc; END; ERROR 400 ...": pieces of a body are
/// joined, for cuts may part them.
class ParserTrace {
 public:
  explicit ParserTrace(const HttpOptions& options = {}) : options_(options), parser_(options_) {}

  /// Gives the parser `size` more bytes of what it is to see, as a connection would.
  void receive(std::string_view bytes) {
    buffer_.append(bytes);
    while (!failed_ && step()) {
    }
  }

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] bool failed() const { return failed_; }
  /// What was not consumed.
  [[nodiscard]] const std::string& rest() const { return buffer_; }

 private:
  using Event = internal::RequestParser::Event;

  bool step() { return in_body_ ? step_body() : step_head(); }

  bool step_head() {
    if (buffer_.empty()) return false;
    // A copy of its own, so that a sanitizer sees every byte read beyond it.
    const std::vector<char> bytes(buffer_.begin(), buffer_.end());
    switch (parser_.parse_head({bytes.data(), bytes.size()})) {
      case Event::kHead:
        write_head(bytes.data());
        break;
      case Event::kError:
        return fail();
      default:
        return false;
    }
    buffer_.erase(0, parser_.head_size());
    in_body_ = true;
    body_.clear();
    return true;
  }

  bool step_body() {
    const std::vector<char> bytes(buffer_.begin(), buffer_.end());
    const auto step = parser_.parse_body({bytes.data(), bytes.size()});
    body_.append(step.piece);
    buffer_.erase(0, step.consumed);
    switch (step.event) {
      case Event::kBody:
        return true;
      case Event::kNeedMore:
        return false;
      case Event::kError:
        return fail();
      default:
        break;
    }
    if (!body_.empty()) text_ += "BODY " + body_ + "; ";
    text_ += "END; ";
    parser_.restart();
    in_body_ = false;
    return true;
  }

  void write_head(const char* base) {
    const internal::RequestHead& head = parser_.head();
    text_ += "HEAD ";
    text_.append(head.method_name.in(base)).append(" ").append(head.path.in(base));
    if (head.query.size > 0) text_.append("?").append(head.query.in(base));
    text_ += " 1." + std::to_string(head.minor_version);
    text_.append(" host=").append(head.host.in(base));
    text_ += head.keep_alive ? " keep" : " close";
    if (head.framing == internal::BodyFraming::kChunked) text_ += " chunked";
    if (head.framing == internal::BodyFraming::kLength) {
      text_ += " length=" + std::to_string(head.content_length);
    }
    if (head.expects_continue) text_ += " expects";
    if (head.unknown_expectation) text_ += " unknown-expectation";
    text_ += " |";
    for (const HeaderField field : HeaderList(base, head.headers)) {
      text_.append(" ").append(field.name).append("=").append(field.value);
    }
    text_ += "; ";
  }

  bool fail() {
    if (!body_.empty() && in_body_) text_ += "BODY " + body_ + "; ";
    text_ += "ERROR " + std::to_string(parser_.error().status);
    reason_ = parser_.error().reason;
    failed_ = true;
    return false;
  }

 public:
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  const HttpOptions options_;
  internal::RequestParser parser_;
  std::string buffer_;
  std::string body_;
  std::string text_;
  std::string reason_;
  bool in_body_ = false;
  bool failed_ = false;
};

inline std::string trace(std::string_view bytes, const HttpOptions& options = {}) {
  ParserTrace trace(options);
  trace.receive(bytes);
  return trace.text();
}

}  // namespace leat::http::testing
