#include "leat/http/http_response.h"

#include <array>

#include "leat/http/internal/text.h"

namespace leat::http {
namespace {

/// The server alone knows these, and two different answers would be a smuggling vector.
bool is_servers_own(std::string_view name) {
  static constexpr std::array<std::string_view, 5> kOwn = {
      "Date", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive"};
  for (const std::string_view own : kOwn) {
    if (internal::equal_ignoring_case(name, own)) return true;
  }
  return false;
}

}  // namespace

HttpResponse HttpResponse::of_type(std::string_view line, std::string body, int status) {
  HttpResponse response(status);
  response.header_.append(line);
  response.body_ = std::move(body);
  return response;
}

HttpResponse HttpResponse::text(std::string body, int status) {
  return of_type("Content-Type: text/plain; charset=utf-8\r\n", std::move(body), status);
}
HttpResponse HttpResponse::html(std::string body, int status) {
  return of_type("Content-Type: text/html; charset=utf-8\r\n", std::move(body), status);
}
HttpResponse HttpResponse::json(std::string body, int status) {
  return of_type("Content-Type: application/json\r\n", std::move(body), status);
}
HttpResponse HttpResponse::redirect(std::string_view location, int status) {
  HttpResponse response(status);
  response.header("Location", location);
  return response;
}

HttpResponse& HttpResponse::header(std::string_view name, std::string_view value) & {
  if (!internal::is_token(name) || !internal::is_field_value(value) || is_servers_own(name)) {
    valid_ = false;
    return *this;
  }
  header_.append(name);
  header_.append(": ");
  header_.append(value);
  header_.append("\r\n");
  return *this;
}

std::uint64_t HttpResponse::body_length() const {
  if (const auto* text = std::get_if<std::string>(&body_)) return text->size();
  if (const auto* shared = std::get_if<SharedBytes>(&body_)) return shared->bytes.size();
  std::uint64_t sum = 0;
  if (const auto* parts = std::get_if<std::vector<FilePart>>(&body_)) {
    for (const FilePart& part : *parts) sum += part.text.size() + part.length;
  }
  return sum;
}

}  // namespace leat::http
