// From bytes to handlers.

#include <algorithm>
#include <exception>
#include <utility>

#include "leat/base/logging.h"
#include "leat/http/http_status.h"
#include "leat/http/internal/http_session.h"
#include "leat/http/internal/output_pass.h"
#include "leat/reactor/event_loop.h"

namespace leat::http::internal {

namespace {
using Event = RequestParser::Event;
// Memory taken in advance for a body whose length a client only claims.
constexpr std::uint64_t kTrustedLength = 64 * 1024;
}  // namespace

HttpSession::HttpSession(TcpConnection& connection, std::shared_ptr<HttpCore> core)
    : connection_(&connection),
      core_(std::move(core)),
      state_(core_->state_of(connection.loop())),
      loop_handle_(connection.loop_handle()) {
  connection.stay_on_loop();
}

HttpSession::~HttpSession() = default;

// The connection's events.

void HttpSession::drained(bool all) {
  if (all) unsent_responses_ = 0;
  if (exchange_ && exchange_->on_drained && !stream_is_full()) {
    const Pass pass(*this, Pass::Around::kHandlers);
    std::exchange(exchange_->on_drained, nullptr)();
  }
  if (connection_ != nullptr && wants_drain_ && !output_is_full()) {
    process();
    if (connection_ != nullptr) connection_->resume_reading();
  } else if (all && connection_ != nullptr && input_ == Input::kHead && !processing_) {
    settle();  // it may be idle from now on
  }
}

void HttpSession::stopping() {
  stopping_ = true;
  if (input_ == Input::kHead && !head_begun_ && unread().empty()) {
    stop_input();
    connection_->close();
  }
}

void HttpSession::closed() {
  if (timer_.is_valid()) connection_->loop().cancel(std::exchange(timer_, {}));
  connection_ = nullptr;
  output_ = Output::kDone;
  stop_input();
  if (exchange_ && exchange_->on_closed) std::exchange(exchange_->on_closed, nullptr)();
  // A handler further up the stack may still look at its request.
  if (!processing_) exchange_.reset();
}

// The way of a request.

void HttpSession::process() {
  if (processing_ || connection_ == nullptr) return;
  struct Processing {
    explicit Processing(bool& flag_in) : flag(flag_in) { flag = true; }
    ~Processing() { flag = false; }
    bool& flag;
  };
  {
    const Processing processing(processing_);
    const Pass pass(*this, Pass::Around::kHandlers);
    wants_drain_ = false;
    while (connection_ != nullptr && step()) {
    }
  }
  if (connection_ == nullptr) {
    exchange_.reset();
    return;
  }
  settle();
  if (connection_->peer_finished()) handle_end_of_input();
}

/// False if nothing more can be done now.
bool HttpSession::step() {
  switch (input_) {
    case Input::kHead:
      return step_head();
    case Input::kCollect:
    case Input::kUpload:
      return output_ == Output::kDone ? end_exchange() : step_body();
    case Input::kDone:
      return output_ == Output::kDone && end_exchange();
    case Input::kStopped:
      return false;
  }
  return false;
}

bool HttpSession::step_head() {
  const std::string_view input = unread();
  if (input.empty()) return false;
  if (output_is_full()) {
    wants_drain_ = true;
    return false;
  }
  if (!exchange_) exchange_ = state_->take_exchange();
  switch (exchange_->parser.parse_head(input)) {
    case Event::kNeedMore:
      head_begun_ = true;
      return false;
    case Event::kHead:
      begin_request(input);
      return true;
    default:
      reject(exchange_->parser.error().status, exchange_->parser.error().reason);
      return false;
  }
}

void HttpSession::begin_request(std::string_view input) {
  const RequestHead& head = exchange_->parser.head();
  const std::size_t head_size = exchange_->parser.head_size();
  const HttpOptions& options = core_->options();
  state_->counters().requests.add();
  ++exchange_number_;
  head_begun_ = false;
  limit_ = Limit::kNone;
  body_size_ = 0;
  upload_paused_ = false;
  output_ = Output::kOwed;
  answers_head_ = head.method == HttpMethod::kHead;
  http_1_0_ = head.minor_version == 0;
  const std::uint64_t last = options.max_requests_per_connection;
  keep_alive_ = head.keep_alive && (last == 0 || exchange_number_ < last);
  if (head.unknown_expectation) return reject(417, "the only expectation is 100-continue");
  const HttpRequest request(head, input.data(), {}, connection_->peer());
  const Route* route = core_->find_route(request.path());
  exchange_->handler = route != nullptr && route->handler ? &route->handler : nullptr;
  if (route != nullptr && route->upload) {
    const std::string_view rest = input.substr(head_size);
    if (begin_upload(request, route->upload, rest)) consume(head_size);
  } else if (head.framing == BodyFraming::kNone) {
    input_ = Input::kDone;
    serve(input.data(), {});
    consume(head_size);
  } else {
    begin_body(input, head_size);
  }
}

/// A body that the handler gets whole.
void HttpSession::begin_body(std::string_view input, std::size_t head_size) {
  const RequestHead& head = exchange_->parser.head();
  if (exchange_->handler == nullptr) return reject(404, "nothing is served here");
  if (head.content_length > core_->options().max_body_bytes) {
    return reject(413, "the body is longer than this server takes");
  }
  const std::string_view rest = input.substr(head_size);
  if (head.framing == BodyFraming::kLength && head.content_length <= rest.size()) {
    const auto size = static_cast<std::size_t>(head.content_length);
    input_ = Input::kDone;
    serve(input.data(), rest.substr(0, size));
    return consume(head_size + size);
  }
  begin_collecting(input.substr(0, head_size), rest);
  consume(head_size);
}

void HttpSession::begin_collecting(std::string_view head, std::string_view rest) {
  exchange_->head.assign(head);
  exchange_->body.clear();
  exchange_->body.reserve(
      static_cast<std::size_t>(std::min(exchange_->parser.head().content_length, kTrustedLength)));
  input_ = Input::kCollect;
  invite_body(rest);
}

bool HttpSession::begin_upload(const HttpRequest& request, const UploadHandler& handler,
                               std::string_view rest) {
  const RequestHead& head = exchange_->parser.head();
  const std::uint64_t limit = core_->options().max_upload_bytes;
  if (limit != 0 && head.content_length > limit) {
    reject(413, "the body is longer than this server takes");
    return false;
  }
  const bool has_body = head.framing != BodyFraming::kNone;
  input_ = has_body ? Input::kUpload : Input::kDone;
  UploadReceiver receiver = handler(request, responder());
  if (connection_ == nullptr || !has_body) {
    if (receiver) receiver({}, has_body ? UploadState::kAborted : UploadState::kEnd);
    return true;
  }
  exchange_->receiver = std::move(receiver);
  invite_body(rest);
  return true;
}

/// RFC 9110, 10.1.1: not if the client has begun to send without waiting.
void HttpSession::invite_body(std::string_view rest) {
  if (!exchange_->parser.head().expects_continue || !rest.empty()) return;
  if (output_ == Output::kOwed) write_piece("HTTP/1.1 100 Continue\r\n\r\n");
}

bool HttpSession::step_body() {
  if (upload_paused_) return false;
  const RequestParser::BodyStep step = exchange_->parser.parse_body(unread());
  switch (step.event) {
    case Event::kBody: {
      body_progress_ += step.piece.size();
      take_body(step.piece);
      if (input_ != Input::kStopped) consume(step.consumed);
      return true;
    }
    case Event::kEnd:
      consume(step.consumed);
      end_body();
      return true;
    case Event::kError:
      reject(exchange_->parser.error().status, exchange_->parser.error().reason);
      return false;
    default:
      consume(step.consumed);
      return false;
  }
}

void HttpSession::take_body(std::string_view piece) {
  body_size_ += piece.size();
  const HttpOptions& options = core_->options();
  const bool collects = input_ == Input::kCollect;
  const std::uint64_t limit = collects ? options.max_body_bytes : options.max_upload_bytes;
  if ((collects || limit != 0) && body_size_ > limit) {
    return reject(413, "the body is longer than this server takes");
  }
  if (collects) {
    exchange_->body += piece;
  } else if (exchange_->receiver) {
    // Out of reach while it runs: it may bring about the connection's end.
    UploadReceiver receiver = std::exchange(exchange_->receiver, nullptr);
    receiver(piece, UploadState::kMore);
    if (input_ == Input::kUpload) {
      exchange_->receiver = std::move(receiver);
    } else {
      receiver({}, UploadState::kAborted);
    }
  }
}

void HttpSession::end_body() {
  const bool collected = input_ == Input::kCollect;
  input_ = Input::kDone;
  if (collected) {
    serve(exchange_->head.data(), exchange_->body);
  } else if (exchange_->receiver) {
    // It owns the responder; out of the way first, for it may end the exchange.
    std::exchange(exchange_->receiver, nullptr)({}, UploadState::kEnd);
  }
}

void HttpSession::serve(const char* head, std::string_view body) {
  const HttpRequest request(exchange_->parser.head(), head, body, connection_->peer());
  if (exchange_->handler == nullptr) {
    respond(exchange_number_, HttpResponse::text("404 Not Found\n", 404));
    return;
  }
  (*exchange_->handler)(request, responder());
}

HttpResponder HttpSession::responder() {
  return {shared_from_this(), exchange_number_};
}

/// Both sides are done, or the response is and the body is not. False if the connection ends.
bool HttpSession::end_exchange() {
  output_ = Output::kNone;
  if (input_ == Input::kDone && keep_alive_ && !stopping_) {
    input_ = Input::kHead;
    exchange_->parser.restart();
    return true;
  }
  stop_input();
  flush_gathered();
  connection_->close();
  return false;
}

/// Answers with an error of the server's own, if an answer is still possible, and ends the
/// connection: where the next request would begin is no longer known (RFC 9112, 9.6).
void HttpSession::reject(int status, std::string_view reason) {
  const Pass pass(*this);
  state_->counters().rejected.add();
  keep_alive_ = false;
  if (output_ == Output::kNone) {
    answers_head_ = exchange_ && exchange_->parser.is_head_request();
    http_1_0_ = false;
    output_ = Output::kOwed;
  }
  if (output_ == Output::kOwed) {
    std::string text = std::to_string(status);
    text.append(" ").append(reason_phrase(status)).append(": ").append(reason).append("\n");
    write_response(HttpResponse::text(std::move(text), status));
    output_ = Output::kDone;
  }
  stop_input();
  flush_gathered();
  connection_->close();
}

void HttpSession::stop_input() {
  input_ = Input::kStopped;
  limit_ = Limit::kNone;
  give_up_body();
}

void HttpSession::give_up_body() {
  if (!exchange_ || !exchange_->receiver) return;
  std::exchange(exchange_->receiver, nullptr)({}, UploadState::kAborted);
}

/// The peer sends nothing more, and all that is whole has been served.
void HttpSession::handle_end_of_input() {
  if (connection_ == nullptr || input_ == Input::kStopped || wants_drain_ || upload_paused_) return;
  if (input_ == Input::kHead && !head_begun_) {
    stop_input();
    connection_->close();
  } else if (input_ != Input::kDone) {
    reject(400, "the request ended early");
  }
}

void HttpSession::pause_upload(std::uint64_t exchange, bool paused) {
  if (exchange != exchange_number_ || input_ != Input::kUpload || upload_paused_ == paused) return;
  upload_paused_ = paused;
  if (!paused) queue_process();
}

/// For those on whose stack no handler should run.
void HttpSession::queue_process() {
  if (process_queued_ || connection_ == nullptr) return;
  loop_handle_.queue([self = shared_from_this()] {
    self->process_queued_ = false;
    if (self->connection_ == nullptr) return;
    self->guarded([&self] {
      self->drained(false);
      self->process();
      if (self->connection_ != nullptr) self->connection_->resume_reading();
    });
  });
  process_queued_ = true;
}

void HttpSession::guarded(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& e) {
    LEAT_LOG_ERROR("an HTTP handler threw: {}", e.what());
    cut("a handler threw");
  } catch (...) {
    cut("an HTTP handler threw something");
  }
}

void HttpSession::cut(const char* why) noexcept {
  if (connection_ == nullptr) return;
  LEAT_LOG_ERROR("an HTTP connection is cut: {}", why);
  connection_->finish(CloseReason::kCallbackException);
}

bool HttpSession::output_is_full() const {
  const std::size_t waiting = connection_->queued_bytes() + (gathered_ ? gathered_->size() : 0);
  return unsent_responses_ >= core_->options().max_pipelined || waiting > core_->high_water_mark();
}

void HttpSession::consume(std::size_t count) {
  if (connection_ == nullptr || count == 0) return;
  connection_->receive_buffer().consume(count);
}

bool HttpSession::is_open(std::uint64_t exchange) const {
  return connection_ != nullptr && exchange == exchange_number_ && output_ != Output::kDone &&
         output_ != Output::kNone;
}

}  // namespace leat::http::internal
