// Public: what serves requests.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "leat/base/move_only_function.h"
#include "leat/http/http_request.h"
#include "leat/http/http_responder.h"

namespace leat::http {

/// Called with the whole request, on the loop of its connection; one handler serves all loops, so
/// what it captures is shared between threads. An exception out of it ends that connection.
using HttpHandler = std::function<void(const HttpRequest&, HttpResponder)>;

enum class UploadState : std::uint8_t {
  kMore,     ///< A piece; others follow.
  kEnd,      ///< The body was whole; the piece is empty. Last call.
  kAborted,  ///< Nothing more will come: the connection ended, or a limit was passed. Last call.
};

/// Takes a body in pieces, which end with the call.
using UploadReceiver = MoveOnlyFunction<void(std::string_view piece, UploadState state)>;

/// Called when the head has come. The receiver usually keeps the responder, and answers at the
/// end. An answer before that closes the connection after it, for the rest of the body has to be
/// read by somebody or not at all. An empty receiver drops the body.
using UploadHandler = std::function<UploadReceiver(const HttpRequest&, HttpResponder)>;

}  // namespace leat::http
