// Public: a request, as a handler sees it.
#pragma once

#include <optional>
#include <string_view>

#include "leat/http/header_list.h"
#include "leat/http/http_method.h"

namespace leat {
class InetAddress;
}

namespace leat::http {

namespace internal {
struct RequestHead;
}

/// Views into what was received. All of them, and the request itself, end when the handler
/// returns: copy what is needed later. Head and body have been checked against RFC 9112.
class HttpRequest {
 public:
  HttpRequest(const internal::RequestHead& head, const char* head_bytes, std::string_view body,
              const InetAddress& peer)
      : head_(head), head_bytes_(head_bytes), body_(body), peer_(peer) {}
  HttpRequest(const HttpRequest&) = delete;
  HttpRequest& operator=(const HttpRequest&) = delete;

  [[nodiscard]] HttpMethod method() const;
  /// As sent, also for HttpMethod::kOther.
  [[nodiscard]] std::string_view method_name() const;
  /// As sent: "/a%20b?x=1", "http://host/a", "*".
  [[nodiscard]] std::string_view target() const;
  /// The target's path, percent-encoded; begins with '/', or is "*" for OPTIONS about the server.
  [[nodiscard]] std::string_view path() const;
  /// What follows the '?', percent-encoded; empty without one.
  [[nodiscard]] std::string_view query() const;
  /// Of the target if it has one, else of the Host field: "example.org:8080". Empty if an HTTP/1.0
  /// client named none.
  [[nodiscard]] std::string_view host() const;
  /// 0 or 1: HTTP/1.0 or HTTP/1.1.
  [[nodiscard]] int minor_version() const;

  [[nodiscard]] HeaderList headers() const;
  /// The first field of that name, in any case.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const {
    return headers().find(name);
  }

  /// The whole body; empty where it is uploaded in pieces.
  [[nodiscard]] std::string_view body() const { return body_; }

  [[nodiscard]] const InetAddress& peer() const { return peer_; }

 private:
  const internal::RequestHead& head_;
  const char* head_bytes_;
  std::string_view body_;
  const InetAddress& peer_;
};

}  // namespace leat::http
