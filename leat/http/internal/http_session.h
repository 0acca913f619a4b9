// Internal: HTTP on one connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/http/http_response.h"
#include "leat/http/internal/exchange.h"
#include "leat/http/internal/http_core.h"
#include "leat/http/internal/loop_state.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/loop_handle.h"
#include "leat/reactor/timer_id.h"

namespace leat::http::internal {

/// Requests of a connection are served one after another: the next one is looked at when the
/// response to the present one is on its way. Each has two sides, and ends with the later one:
///
///     Input    kHead --> kCollect --> kDone       kHead: between requests, or a head has begun
///                   \--> kUpload  -/              kStopped: nothing is read any more
///     Output   kNone --> kOwed --> kStream --> kDone
///                             \-------------/
///
/// On the connection's loop, but for what says otherwise. Held by the connection's context, which
/// lives until the end of the loop's iteration in which the connection closed, so that no method
/// has to keep its session; and by responders, who may outlive the connection.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(TcpConnection& connection, std::shared_ptr<HttpCore> core);
  ~HttpSession();
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  // From the connection.

  void opened() { settle(); }
  void received() { process(); }
  /// The kernel has taken all output, or enough of it.
  void drained(bool all);
  void half_closed() { process(); }
  void stopping();
  void closed();

  // From responders, with the number of the exchange they belong to.

  Result<void> respond(std::uint64_t exchange, HttpResponse&& response);
  Result<void> begin_stream(std::uint64_t exchange, const HttpResponse& head,
                            std::optional<std::uint64_t> length);
  Result<void> write_stream(std::uint64_t exchange, std::string_view bytes);
  Result<void> end_stream(std::uint64_t exchange);
  void cut_stream(std::uint64_t exchange);
  [[nodiscard]] bool stream_is_full() const;
  void on_stream_drained(std::uint64_t exchange, MoveOnlyFunction<void()> callback);
  void on_stream_closed(std::uint64_t exchange, MoveOnlyFunction<void()> callback);
  void pause_upload(std::uint64_t exchange, bool paused);
  /// Cuts the connection and tells why.
  void cut(const char* why) noexcept;
  [[nodiscard]] bool is_open(std::uint64_t exchange) const;
  /// Any thread.
  [[nodiscard]] const LoopHandle& loop_handle() const { return loop_handle_; }

 private:
  enum class Input : std::uint8_t { kHead, kCollect, kUpload, kDone, kStopped };
  enum class Output : std::uint8_t { kNone, kOwed, kStream, kDone };
  enum class Limit : std::uint8_t { kNone, kIdle, kHeader, kBody };
  class Pass;

  // Input: http_session_input.cc.

  void process();
  bool step();
  bool step_head();
  bool step_body();
  void begin_request(std::string_view input);
  void begin_body(std::string_view input, std::size_t head_size);
  bool begin_upload(const HttpRequest& request, const UploadHandler& handler,
                    std::string_view rest);
  void begin_collecting(std::string_view head, std::string_view rest);
  void take_body(std::string_view piece);
  void end_body();
  void serve(const char* head, std::string_view body);
  void invite_body(std::string_view rest);
  bool end_exchange();
  void reject(int status, std::string_view reason);
  void stop_input();
  void give_up_body();
  void handle_end_of_input();
  void queue_process();
  /// Runs what may call handlers where no connection's callback is on the stack to catch what
  /// they throw.
  void guarded(const std::function<void()>& work);
  [[nodiscard]] bool output_is_full() const;
  [[nodiscard]] HttpResponder responder();
  [[nodiscard]] std::string_view unread() const { return connection_->receive_buffer().view(); }
  void consume(std::size_t count);

  // Output: http_session_output.cc.

  [[nodiscard]] Result<void> check_owed(std::uint64_t exchange) const;
  [[nodiscard]] Result<void> check_stream(std::uint64_t exchange) const;
  void write_response(HttpResponse&& response);
  void write_head(const HttpResponse& response, std::optional<std::uint64_t> length, bool chunked);
  void write_body(HttpResponse::Body body);
  void write_piece(std::string_view bytes);
  void flush_gathered();
  void output_done();

  // Limits: http_session_limits.cc.

  void settle();
  void set_limit(Limit limit, Duration span);
  void arm(MonotonicTime due);
  void limit_timer_fired();
  void limit_passed();

  TcpConnection* connection_;  // null once closed
  const std::shared_ptr<HttpCore> core_;
  const std::shared_ptr<LoopState> state_;
  const LoopHandle loop_handle_;
  std::unique_ptr<Exchange> exchange_;  // while there is one, or a head has begun
  std::string* gathered_ = nullptr;     // output of the pass that is running
  std::uint64_t exchange_number_ = 0;
  std::uint64_t body_size_ = 0;
  MonotonicTime limit_due_;
  MonotonicTime armed_for_;
  TimerId timer_;
  std::size_t body_progress_ = 0;  // bytes of a body in the present span of time
  std::uint32_t unsent_responses_ = 0;
  Input input_ = Input::kHead;
  Output output_ = Output::kNone;
  Limit limit_ = Limit::kNone;
  bool head_begun_ = false;
  bool keep_alive_ = true;
  bool answers_head_ = false;  // the request was HEAD
  bool http_1_0_ = false;
  bool chunked_ = false;  // the response
  bool stopping_ = false;
  bool upload_paused_ = false;
  bool wants_drain_ = false;  // requests wait for output to go
  bool processing_ = false;
  bool process_queued_ = false;
};

}  // namespace leat::http::internal
