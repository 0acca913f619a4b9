// Public: a response, as a handler makes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "leat/base/unique_fd.h"
#include "leat/http/internal/small_text.h"

namespace leat::http {

/// Bytes kept alive by someone else.
struct SharedBytes {
  std::shared_ptr<const void> owner;
  std::string_view bytes;
};

/// Text, then a range of a regular file (unless `length` is 0).
struct FilePart {
  std::string text;
  std::shared_ptr<const UniqueFd> file;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

/// A value; copy a prepared one or move it. The server adds Date, Content-Length,
/// Transfer-Encoding and Connection itself; a handler that sets one of these, or a name or value
/// that HTTP does not allow (CR and LF would forge further fields), makes the response invalid:
/// what is sent in its place is 500. Content in answer to HEAD, or with a status that has none
/// (204, 304), is not sent.
class HttpResponse {
 public:
  using Body = std::variant<std::monostate, std::string, SharedBytes, std::vector<FilePart>>;

  /// `status` within 200 to 599; with another the response is invalid. An interim one (1xx) is not
  /// an answer: the client would take the next response for that of this request.
  explicit HttpResponse(int status = 200)
      : status_(status), valid_(status >= 200 && status <= 599) {}

  /// text/plain, text/html, application/json; in UTF-8.
  [[nodiscard]] static HttpResponse text(std::string body, int status = 200);
  [[nodiscard]] static HttpResponse html(std::string body, int status = 200);
  [[nodiscard]] static HttpResponse json(std::string body, int status = 200);
  /// `location` must be a URL, percent-encoded.
  [[nodiscard]] static HttpResponse redirect(std::string_view location, int status = 308);

  /// Adds a field; one of the same name stays.
  HttpResponse& header(std::string_view name, std::string_view value) &;
  HttpResponse&& header(std::string_view name, std::string_view value) && {
    return std::move(header(name, value));
  }
  HttpResponse& body(std::string bytes) & {
    body_ = std::move(bytes);
    return *this;
  }
  HttpResponse&& body(std::string bytes) && { return std::move(body(std::move(bytes))); }
  /// Sent from where they are: for content that many responses share.
  HttpResponse& body(SharedBytes bytes) & {
    body_ = std::move(bytes);
    return *this;
  }
  HttpResponse&& body(SharedBytes bytes) && { return std::move(body(std::move(bytes))); }
  /// Sent by sendfile(), see TcpConnection::send_file().
  HttpResponse& body(std::vector<FilePart> parts) & {
    body_ = std::move(parts);
    return *this;
  }
  HttpResponse&& body(std::vector<FilePart> parts) && { return std::move(body(std::move(parts))); }
  /// The length that HEAD is told, where making the content would be a waste. Other methods are
  /// told that of the body.
  HttpResponse& content_length(std::uint64_t length) & {
    length_ = length;
    return *this;
  }

  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] bool is_valid() const { return valid_; }
  /// The fields as they are sent, each line with its end.
  [[nodiscard]] std::string_view header_lines() const { return header_.view(); }
  [[nodiscard]] const Body& body() const { return body_; }
  [[nodiscard]] Body take_body() { return std::move(body_); }
  /// In bytes: of the body, or as content_length() said.
  [[nodiscard]] std::uint64_t length() const {
    return length_ != kOwnLength ? length_ : body_length();
  }
  [[nodiscard]] std::uint64_t body_length() const;

 private:
  /// `line` is a whole field with its end.
  static HttpResponse of_type(std::string_view line, std::string body, int status);

  static constexpr std::uint64_t kOwnLength = ~std::uint64_t{0};

  int status_;
  bool valid_;
  std::uint64_t length_ = kOwnLength;
  internal::SmallText header_;
  Body body_;
};

}  // namespace leat::http
