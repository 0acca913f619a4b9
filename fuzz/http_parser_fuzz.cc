// Where a request is cut makes no difference to what the HTTP parser finds in it, and the parser
// reads nothing beyond what it was shown; a head that it takes says in one way only where the body
// ends. The first byte of the input chooses the cuts.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "leat/base/random.h"
#include "leat/http/http_options.h"
#include "leat/http/internal/request_parser.h"
#include "leat/http/internal/text.h"

namespace {

using leat::http::HeaderField;
using leat::http::HeaderList;
using leat::http::HttpOptions;
using leat::http::internal::BodyFraming;
using leat::http::internal::equal_ignoring_case;
using leat::http::internal::parse_decimal;
using leat::http::internal::RequestHead;
using leat::http::internal::RequestParser;

const HttpOptions kLimits{.max_request_line = 256,
                          .max_header_bytes = 1024,
                          .max_header_count = 8,
                          .max_chunk_header_bytes = 64,
                          .max_trailer_bytes = 128};

void require(bool condition) {
  if (!condition) std::abort();
}

/// Looks at the fields itself, where the parser goes by what llhttp made of them.
void require_clear_framing(const RequestHead& head, const char* base) {
  std::size_t lengths = 0;
  std::size_t codings = 0;
  for (const HeaderField field : HeaderList(base, head.headers)) {
    if (equal_ignoring_case(field.name, "content-length")) {
      ++lengths;
      require(parse_decimal(field.value) == head.content_length);
    } else if (equal_ignoring_case(field.name, "transfer-encoding")) {
      ++codings;
      require(equal_ignoring_case(field.value, "chunked"));
    }
  }
  require(lengths + codings <= 1 && (lengths == 1 || head.content_length == 0));
  require((codings == 1) == (head.framing == BodyFraming::kChunked));
  require((head.content_length > 0) == (head.framing == BodyFraming::kLength));
}

/// A connection's way of using the parser, writing down what comes out.
class Reader {
 public:
  void receive(std::string_view bytes) {
    buffer_ += bytes;
    while (!failed_ && (in_body_ ? read_body() : read_head())) {
    }
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  bool read_head() {
    if (buffer_.empty()) return false;
    const std::vector<char> bytes(buffer_.begin(), buffer_.end());
    const auto event = parser_.parse_head({bytes.data(), bytes.size()});
    if (event == RequestParser::Event::kError) return fail();
    if (event == RequestParser::Event::kNeedMore) return false;
    require(parser_.head_size() <= bytes.size() && parser_.head_size() <= kLimits.max_header_bytes);
    write_head(bytes.data());
    buffer_.erase(0, parser_.head_size());
    in_body_ = true;
    return true;
  }
  void write_head(const char* base) {
    const auto& head = parser_.head();
    require(head.headers.size() <= kLimits.max_header_count);
    require_clear_framing(head, base);
    text_.append(head.method_name.in(base)).append(" ").append(head.path.in(base)).append("?");
    text_.append(head.query.in(base)).append(" ").append(head.host.in(base));
    text_ += std::to_string(static_cast<int>(head.framing)) + std::to_string(head.content_length);
    for (const HeaderField field : HeaderList(base, head.headers)) {
      text_.append("|").append(field.name).append("=").append(field.value);
    }
    text_ += "\n";
  }
  bool read_body() {
    const std::vector<char> bytes(buffer_.begin(), buffer_.end());
    const auto step = parser_.parse_body({bytes.data(), bytes.size()});
    require(step.consumed <= bytes.size());
    text_ += step.piece;
    buffer_.erase(0, step.consumed);
    if (step.event == RequestParser::Event::kError) return fail();
    if (step.event == RequestParser::Event::kEnd) {
      text_ += "\nend\n";
      parser_.restart();
      in_body_ = false;
    }
    return step.event != RequestParser::Event::kNeedMore;
  }
  bool fail() {
    require(parser_.error().status >= 400 && !parser_.error().reason.empty());
    text_ += "\nerror " + std::to_string(parser_.error().status);
    failed_ = true;
    return false;
  }

  RequestParser parser_{kLimits};
  std::string buffer_;
  std::string text_;
  bool in_body_ = false;
  bool failed_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Reader whole;
  whole.receive(bytes);
  Reader cut;
  leat::Random random(data[0]);
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = 1 + random.uniform(0, data[0] % 64);
    cut.receive(bytes.substr(at, length));
    at += length;
  }
  require(cut.text() == whole.text());
  return 0;
}
