// Public: the limits of an HTTP server.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "leat/base/monotonic_time.h"

namespace leat::http {

/// What a client may take before it is answered with an error and disconnected, so that memory
/// stays bounded whoever calls. Beside these hold the ConnectionOptions of the server, such as
/// max_connections_per_loop and max_buffered.
struct HttpOptions {
  // Sizes, in bytes. The first two count towards the connection's receive_limit, which must be
  // larger; HttpServer sees to it.

  std::size_t max_request_line = 8 * 1024;   ///< 414. RFC 9112, 3 wants 8000 at least.
  std::size_t max_header_bytes = 16 * 1024;  ///< 431. Request line and header section.
  std::size_t max_header_count = 100;        ///< 431. Header fields.
  /// 413. A body that the server collects for its handler.
  std::size_t max_body_bytes = 1024 * 1024;
  /// 413. A body that a handler takes in pieces; 0 for no limit.
  std::uint64_t max_upload_bytes = std::uint64_t{1} << 30;
  /// 400. What a chunked body has between two pieces of data: sizes, extensions.
  std::size_t max_chunk_header_bytes = 256;
  /// 400. Trailer section; it is checked and thrown away (RFC 9110, 6.5.1 allows that).
  std::size_t max_trailer_bytes = 4 * 1024;

  // Pipelining. Requests of one connection are served one after another, so their responses cannot
  // be mixed up; what follows waits unread or in the receive buffer, within its limit.

  /// Responses that may wait for the kernel to take them, before the next request is looked at.
  /// Bounds the files that one connection holds open.
  std::size_t max_pipelined = 64;
  /// After so many responses the connection is closed; 0 for no limit.
  std::uint64_t max_requests_per_connection = 0;

  // Times; zero for no limit. A handler may take as long as it likes.

  /// 408. From the first byte of a request to the end of its header section (slow loris).
  Duration header_time = std::chrono::seconds(10);
  /// 408. In each such span at least min_body_progress bytes of a body must come, or its end.
  Duration body_time = std::chrono::seconds(10);
  std::size_t min_body_progress = 1024;
  /// Closes a connection that has no request for so long.
  Duration idle_time = std::chrono::seconds(75);
  /// Closes a connection whose client takes nothing of a response for so long. It becomes the
  /// write_timeout of the connections, if the ConnectionOptions have none.
  Duration response_stall_time = std::chrono::seconds(30);
};

}  // namespace leat::http
