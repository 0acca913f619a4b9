// Internal: what a connection needs only while a request is on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "leat/http/http_handler.h"
#include "leat/http/internal/request_parser.h"

namespace leat::http::internal {

struct Exchange {
  explicit Exchange(const HttpOptions& limits) : parser(limits) {}

  /// Drops what belonged to a request.
  void forget() {
    head = std::string();
    body = std::string();
    handler = nullptr;
    receiver = nullptr;
    length_left.reset();
    forget_stream();
  }
  void forget_stream() {
    on_drained = nullptr;
    on_closed = nullptr;
  }

  RequestParser parser;
  // Of a body that did not come with its head.
  std::string head;
  std::string body;
  const HttpHandler* handler = nullptr;
  UploadReceiver receiver;
  // Of a streamed response.
  std::optional<std::uint64_t> length_left;
  MoveOnlyFunction<void()> on_drained;
  MoveOnlyFunction<void()> on_closed;
};

}  // namespace leat::http::internal
