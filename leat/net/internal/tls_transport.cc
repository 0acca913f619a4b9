#include "leat/net/internal/tls_transport.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <utility>

#include "leat/net/internal/socket_output.h"
#include "leat/net/internal/tls_context_core.h"
#include "leat/net/internal/tls_engine.h"
#include "leat/net/net_counters.h"

namespace leat::internal {

namespace {

// Data of one record at most (RFC 8446, 5.1); deciphered into one piece for the user.
constexpr std::size_t kRecord = 16 * 1024;
// Taken from the inner transport in one go, and so kept if the user wants no more.
constexpr std::size_t kInputStep = 64 * 1024;
// Answers to handshakes, which cost up to a millisecond each, in one iteration of a loop: a crowd
// of new connections must not stop the old ones.
constexpr int kHandshakesInTurn = 8;

/// How many of them this thread's loop has given in its present iteration.
struct HandshakeTurn {
  MonotonicTime iteration;
  int answered = 0;

  [[nodiscard]] bool is_over(MonotonicTime now) {
    if (std::exchange(iteration, now) != now) answered = 0;
    return answered >= kHandshakesInTurn;
  }
};
thread_local HandshakeTurn handshake_turn;

}  // namespace

Result<std::unique_ptr<TlsTransport>> TlsTransport::make(EventLoop& loop, const TlsContext& context,
                                                         std::string_view server_name,
                                                         SendQueue& output, NetCounters& counters) {
  const TlsContextCore& core = context.core();
  std::unique_ptr<TlsTransport> made(
      new TlsTransport(loop, core.protocol().handshake_timeout, counters));
  Result<std::unique_ptr<TlsEngine>> engine = TlsEngine::make(core.settings(), output, server_name);
  if (!engine) return engine.error();
  made->engine_ = std::move(*engine);
  return made;
}

TlsTransport::TlsTransport(EventLoop& loop, Duration handshake_timeout, NetCounters& counters)
    : loop_(loop), handshake_timeout_(handshake_timeout), counters_(counters) {}

TlsTransport::~TlsTransport() {
  if (later_) *later_ = false;
}

void TlsTransport::attach(std::unique_ptr<Transport> inner, std::unique_ptr<SendQueue> output,
                          bool is_running, std::uint64_t sent) {
  inner_ = std::move(inner);
  output_ = std::move(output);
  inner_runs_ = is_running;
  carried_ = sent;
}

void TlsTransport::feed_early(std::string_view bytes) {
  engine_->feed(bytes);
  engine_->keep_input();
}

TlsInfo TlsTransport::info() const {
  return engine_->info();
}

// Beginning.

Result<void> TlsTransport::start(TransportUser& user) {
  user_ = &user;
  if (inner_runs_) {
    inner_->set_user(*this);
  } else {
    Result<void> started = inner_->start(*this);
    if (!started) return started;
    inner_runs_ = true;
  }
  return inner_->is_ready() ? begin() : Result<void>();
}

Result<void> TlsTransport::begin() {
  if (handshake_timeout_ > Duration::zero()) {
    handshake_timer_ = loop_.run_after(handshake_timeout_, [this] { time_out(); });
  }
  // A client's first words. What came early is looked at from the loop, where calling back is
  // allowed.
  if (engine_->input_bytes() > 0) {
    run_later();
  } else if (engine_->handshake() == TlsEngine::Status::kFailed) {
    return engine_->error();
  }
  const Written written = inner_->write(*output_);
  if (written.kind == Written::Kind::kFailed) {
    return Error::from_errno(written.error, written.what);
  }
  inner_reading_ = true;
  return inner_->set_reading(true);
}

void TlsTransport::transport_ready() {
  const Result<void> begun = begin();
  if (!begun) fail(begun.error().number(), begun.error().context());
}

void TlsTransport::time_out() {
  handshake_timer_ = {};
  fail(ETIMEDOUT, "TLS handshake: it takes too long");
}

// Input.

std::size_t TlsTransport::receive_room() const {
  if (closed_ || failed_) return 0;
  if (!ready_) return kInputStep;
  // What the user had no room for comes first.
  const bool full = engine_->has_input() || output_->memory_bytes() > kMaxAnswers;
  return !full && reading_ && user_->receive_room() > 0 ? kInputStep : 0;
}

void TlsTransport::bytes_arrived(std::string_view bytes) {
  if (closed_ || failed_) return;
  try {
    engine_->feed(bytes);
    process_input();
    if (closed_ || failed_) {
      engine_->forget_fed();
    } else {
      engine_->keep_input();
    }
  } catch (const std::bad_alloc&) {
    engine_->forget_fed();
    fail(ENOMEM, "TLS");
  }
}

void TlsTransport::input_ended() {
  input_over_ = true;
  engine_->end_input();
  process_input();
}

void TlsTransport::process_input() {
  if (closed_ || failed_) return;
  if (!ready_ && !go_on_with_handshake()) return;
  read_data();
  if (closed_ || failed_) return;
  if (!output_->empty() && !is_blocked()) {
    // Answers to key updates, alerts, tickets.
    const Written written = inner_->write(*output_);
    if (written.kind == Written::Kind::kFailed) {
      fail(written.error, written.what);
      return;
    }
  }
  watch_inner();
}

/// True if data may follow.
bool TlsTransport::go_on_with_handshake() {
  if (!input_over_ && handshake_turn.is_over(loop_.now())) {
    // The loop's time stands still for an iteration, so the next one begins a new turn.
    run_later();
    return false;
  }
  const std::size_t before = output_->memory_bytes();
  const TlsEngine::Status status = engine_->handshake();
  if (output_->memory_bytes() > before) ++handshake_turn.answered;
  if (status == TlsEngine::Status::kFailed) {
    fail(engine_->error().number(), engine_->error().context());
    return false;
  }
  const Written written = inner_->write(*output_);
  if (written.kind == Written::Kind::kFailed) {
    fail(written.error, written.what);
    return false;
  }
  if (status != TlsEngine::Status::kOk) return false;
  handshake_done();
  return !closed_ && !failed_;
}

void TlsTransport::handshake_done() {
  ready_ = true;
  if (handshake_timer_.is_valid()) loop_.cancel(std::exchange(handshake_timer_, {}));
  counters_.tls_handshakes.add();
  if (engine_->is_resumed()) counters_.tls_resumed.add();
  user_->transport_ready();
}

void TlsTransport::read_data() {
  std::array<char, kRecord> data;
  while (!closed_ && !failed_ && reading_) {
    const std::size_t room = std::min(user_->receive_room(), data.size());
    if (room == 0) return;
    // Small records together are one piece for the user.
    std::size_t filled = 0;
    TlsEngine::Status status = TlsEngine::Status::kOk;
    while (filled < room && status == TlsEngine::Status::kOk) {
      const TlsEngine::Read read = engine_->read(std::span(data).subspan(filled, room - filled));
      status = read.status;
      filled += read.size;
    }
    if (filled > 0) {
      user_->bytes_arrived({data.data(), filled});
    } else if (status == TlsEngine::Status::kMore || !tell_end()) {
      return;
    }
  }
}

/// The user is told, and nothing follows; so the answer is false.
bool TlsTransport::tell_end() {
  if (std::exchange(end_told_, true)) return false;
  if (engine_->is_failed() && !engine_->is_cut()) {
    fail(engine_->error().number(), engine_->error().context());
  } else if (engine_->is_cut()) {
    user_->input_cut();
  } else {
    user_->input_ended();
  }
  return false;
}

Result<void> TlsTransport::set_reading(bool on) {
  reading_ = on;
  if (!ready_ || closed_ || failed_) return {};
  if (on && !end_told_ && (engine_->has_input() || input_over_ || engine_->is_at_end()))
    run_later();
  watch_inner();
  return {};
}

void TlsTransport::continue_input() {
  run_later();
  inner_->continue_input();
}

/// The inner transport is read during the handshake, and later when its input has somewhere to go.
void TlsTransport::watch_inner() {
  if (closed_ || failed_) return;
  const bool full = engine_->has_input() || output_->memory_bytes() > kMaxAnswers;
  const bool wanted = !ready_ || (reading_ && !full);
  if (wanted == inner_reading_) return;
  inner_reading_ = wanted;
  if (!inner_->set_reading(wanted)) run_later();
}

/// From the loop's queue of tasks, for calls to the user that must not come from his own.
void TlsTransport::run_later() {
  if (later_) return;
  later_ = std::make_shared<bool>(true);
  loop_.queue_in_loop([this, wanted = later_] {
    if (!*wanted) return;
    later_.reset();
    process_input();
    if (!closed_ && !failed_ && blocked_ && !inner_->is_blocked()) output_ready();
  });
}

// Output.

void TlsTransport::bytes_sent(std::size_t count) {
  carried_ += count;
  output_->consume(count);
}

Transport::Written TlsTransport::write(SendQueue& queue) {
  using Kind = Written::Kind;
  // The user writes again when it is ready.
  if (!ready_) return {Kind::kNotReady};
  std::uint64_t budget = kWriteBudget;
  for (;;) {
    while (!queue.empty() && output_->memory_bytes() < kMaxOutput && budget > 0) {
      const std::uint64_t before = queue.total_bytes();
      const Written written = encrypt_some(queue);
      if (closed_ || written.kind != Kind::kAll) return written;
      budget -= std::min(budget, before - std::min(before, queue.total_bytes()));
    }
    Written written = inner_->write(*output_);
    if (closed_ || written.kind == Kind::kFailed) return written;
    if (!queue.empty() && written.kind == Kind::kAll && budget == 0) {
      // The others on the loop have their turn.
      written.kind = Kind::kBlocked;
      run_later();
    }
    if (queue.empty() || written.kind == Kind::kBlocked) {
      blocked_ = written.kind == Kind::kBlocked;
      return written;
    }
  }
}

Transport::Written TlsTransport::encrypt_some(SendQueue& queue) {
  const Written written = queue.file_is_next() ? encrypt_file(queue) : encrypt_memory(queue);
  if (written.kind != Written::Kind::kFailed || !engine_->is_failed()) return written;
  failed_ = true;
  return {Written::Kind::kFailed, engine_->error().number(), "TLS"};
}

Transport::Written TlsTransport::encrypt_file(SendQueue& queue) {
  const SendQueue::FileRange range = queue.file();
  std::array<char, kRecord> data;
  const std::size_t size = std::min<std::uint64_t>(range.length, data.size());
  const ssize_t count = ::pread(range.fd, data.data(), size, static_cast<off_t>(range.offset));
  if (count < 0) return {Written::Kind::kFailed, errno, "reading a file"};
  if (count == 0) return {Written::Kind::kTruncated};
  const std::string_view read(data.data(), static_cast<std::size_t>(count));
  if (!engine_->write(read)) return {Written::Kind::kFailed};
  user_->bytes_sent(read.size());
  return {Written::Kind::kAll};
}

Transport::Written TlsTransport::encrypt_memory(SendQueue& queue) {
  std::array<iovec, kWriteVectors> vectors;
  const std::size_t count = queue.gather(vectors);
  const auto piece = [&vectors](std::size_t i) {
    return std::string_view(static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len);
  };
  std::string_view next = piece(0).substr(0, kMaxOutput);
  std::array<char, kRecord> joined;
  if (next.size() < kRecord && count > 1) {
    // Small pieces share a record: each costs 22 bytes and a call of the cipher.
    std::size_t filled = 0;
    for (std::size_t i = 0; i < count && filled < joined.size(); ++i) {
      filled += piece(i).copy(joined.data() + filled, joined.size() - filled);
    }
    next = {joined.data(), filled};
  }
  if (!engine_->write(next)) return {Written::Kind::kFailed};
  user_->bytes_sent(next.size());
  return {Written::Kind::kAll};
}

std::size_t TlsTransport::write_now(const SendQueue& queue, std::string_view bytes) {
  // With something before it, or records that wait, it waits in the queue.
  if (!ready_ || closed_ || failed_ || !queue.empty() || !output_->empty() || is_blocked()) {
    return 0;
  }
  std::size_t taken = 0;
  while (taken < bytes.size() && output_->memory_bytes() < kMaxOutput) {
    const std::string_view next = bytes.substr(taken, kMaxOutput);
    // Failures are left to write(), which is never inside a call of the user's.
    if (!engine_->write(next)) return taken;
    taken += next.size();
    const Written written = inner_->write(*output_);
    if (written.kind != Written::Kind::kAll) break;
  }
  return taken;
}

void TlsTransport::output_ready() {
  if (closed_ || failed_) return;
  if (!output_->empty()) {
    const Written written = inner_->write(*output_);
    if (closed_) return;
    if (written.kind == Written::Kind::kFailed) {
      fail(written.error, written.what);
      return;
    }
    if (written.kind == Written::Kind::kBlocked) return;
  }
  if (fin_waits_ && output_->empty()) {
    fin_waits_ = false;
    inner_->shutdown_write();
  }
  if (ready_) user_->output_ready();
  if (!closed_ && !failed_ && engine_->is_established()) watch_inner();
}

// End.

void TlsTransport::shutdown_write() {
  engine_->close_notify();
  const Written written = inner_->write(*output_);
  if (written.kind == Written::Kind::kAll) {
    inner_->shutdown_write();
  } else {
    fin_waits_ = written.kind != Written::Kind::kFailed;
  }
}

void TlsTransport::fail(int number, std::string_view what) {
  if (closed_ || std::exchange(failed_, true)) return;
  if (!ready_) counters_.tls_failed.add();
  // An alert for the peer, if there is one.
  if (!output_->empty()) static_cast<void>(inner_->write(*output_));
  user_->transport_failed(number, what);
}

void TlsTransport::transport_failed(int number, std::string_view what) {
  fail(number, what);
}

void TlsTransport::close(bool reset) {
  if (std::exchange(closed_, true)) return;
  if (handshake_timer_.is_valid()) loop_.cancel(std::exchange(handshake_timer_, {}));
  if (later_) *later_ = false;
  // A reset would take the alert away from a peer that has not read it yet.
  inner_->close(reset && !engine_->is_failed());
}

}  // namespace leat::internal
