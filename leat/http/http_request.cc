#include "leat/http/http_request.h"

#include "leat/http/internal/request_head.h"

namespace leat::http {

HttpMethod HttpRequest::method() const {
  return head_.method;
}

std::string_view HttpRequest::method_name() const {
  return head_.method_name.in(head_bytes_);
}

std::string_view HttpRequest::target() const {
  return head_.target.in(head_bytes_);
}

std::string_view HttpRequest::path() const {
  if (head_.path.size > 0) return head_.path.in(head_bytes_);
  // "http://host": RFC 9110, 4.2.3; and for OPTIONS RFC 9112, 3.2.4.
  return head_.method == HttpMethod::kOptions && head_.query.size == 0 ? "*" : "/";
}

std::string_view HttpRequest::query() const {
  return head_.query.in(head_bytes_);
}

std::string_view HttpRequest::host() const {
  return head_.host.in(head_bytes_);
}

int HttpRequest::minor_version() const {
  return head_.minor_version;
}

HeaderList HttpRequest::headers() const {
  return {head_bytes_, head_.headers};
}

}  // namespace leat::http
