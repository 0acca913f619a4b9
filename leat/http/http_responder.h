// Public: the way from a handler back to the client.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "leat/base/move_only_function.h"
#include "leat/base/result.h"
#include "leat/http/http_response.h"
#include "leat/reactor/loop_handle.h"

namespace leat::http {

namespace internal {
class HttpSession;
}

/// A response whose content is sent as it comes: chunked to HTTP/1.1 clients if its length is not
/// known, up to the connection's end to HTTP/1.0 ones. Move-only; on the loop of its connection
/// only. Destroyed before end(), it cuts the connection, so that the client sees that something is
/// missing.
class HttpStream {
 public:
  HttpStream(HttpStream&& other) noexcept = default;
  HttpStream& operator=(HttpStream&& other) noexcept;
  ~HttpStream();

  /// Copies `bytes`. Fails with EPIPE once the connection is gone, with EINVAL beyond the length
  /// that was promised, which also cuts the connection. Never waits: look at is_full().
  Result<void> write(std::string_view bytes);
  /// The content is whole. Nothing can be done with the stream afterwards. Fails as write() does,
  /// with EINVAL if less came than was promised.
  Result<void> end();

  /// More waits than the connection's high-water mark: the client is slow, wait for on_drained.
  [[nodiscard]] bool is_full() const;
  /// `callback` is called once, when the stream is not full (any more), and never from here. It
  /// may write, end, and ask to be called again.
  void on_drained(MoveOnlyFunction<void()> callback);
  /// `callback` is called once if the connection ends before end().
  void on_closed(MoveOnlyFunction<void()> callback);

 private:
  friend class HttpResponder;
  explicit HttpStream(std::shared_ptr<internal::HttpSession> session, std::uint64_t exchange)
      : session_(std::move(session)), exchange_(exchange) {}
  void cut() noexcept;

  std::shared_ptr<internal::HttpSession> session_;
  std::uint64_t exchange_ = 0;
};

/// Answers one request, now or later. Move-only. Destroyed without an answer, it answers 500.
class HttpResponder {
 public:
  HttpResponder(HttpResponder&& other) noexcept = default;
  HttpResponder& operator=(HttpResponder&& other) noexcept;
  ~HttpResponder();

  /// Any thread. Once; the responder is used up. Fails with EPIPE if the connection or its loop is
  /// gone, with EINVAL if the response is invalid (500 was sent then), with EALREADY if the
  /// request has been answered, also by the server itself, as when its body was malformed. From
  /// another thread only the end of the loop is told.
  Result<void> respond(HttpResponse response);

  /// On the connection's loop. As respond(), but the content follows. `head` without body;
  /// `length` in bytes, if it is known.
  [[nodiscard]] Result<HttpStream> stream(const HttpResponse& head,
                                          std::optional<std::uint64_t> length = std::nullopt);

  /// On the connection's loop: stops the pieces of an upload, and lets them come again. The client
  /// is held up once the connection's receive_limit is full.
  void pause_upload();
  void resume_upload();

  /// On the connection's loop: false once nobody waits for the answer.
  [[nodiscard]] bool is_open() const;
  /// To get to the connection's loop. Any thread.
  [[nodiscard]] const LoopHandle& loop_handle() const;

  // For the session.

  HttpResponder(std::shared_ptr<internal::HttpSession> session, std::uint64_t exchange)
      : session_(std::move(session)), exchange_(exchange) {}

 private:
  std::shared_ptr<internal::HttpSession> session_;
  std::uint64_t exchange_ = 0;
};

}  // namespace leat::http
