// What coroutines await of a connection.

#include <algorithm>
#include <cerrno>
#include <new>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "leat/base/logging.h"
#include "leat/net/internal/connection_profile.h"
#include "leat/net/internal/send_queue.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/event_loop.h"

namespace leat {

namespace {

int number_of(CloseReason reason) {
  switch (reason) {
    case CloseReason::kReset:
      return ECONNRESET;
    case CloseReason::kIdleTimeout:
    case CloseReason::kReadTimeout:
    case CloseReason::kWriteTimeout:
    case CloseReason::kLingerTimeout:
      return ETIMEDOUT;
    case CloseReason::kPeerClosed:
    case CloseReason::kLocalClose:
      return ENOTCONN;
    default:
      return ECONNABORTED;
  }
}

}  // namespace

internal::ReadWait TcpConnection::read() {
  return internal::ReadWait(shared_from_this());
}
internal::ReadWait TcpConnection::read_exactly(std::size_t count) {
  return {shared_from_this(), count};
}
internal::ReadWait TcpConnection::read_until(std::string delimiter, std::size_t most) {
  return {shared_from_this(), std::move(delimiter), most};
}
internal::OutputWait TcpConnection::write(std::string_view bytes) {
  return {shared_from_this(), bytes};
}
internal::OutputWait TcpConnection::write(std::string&& bytes) {
  return {shared_from_this(), std::move(bytes)};
}
internal::OutputWait TcpConnection::drained() {
  return internal::OutputWait(shared_from_this());
}

void TcpConnection::keep_for_read() {
  home().assert_in_loop_thread();
  coroutines().reads = true;
}

internal::CoroutineSide& TcpConnection::coroutines() {
  if (!coroutines_) coroutines_ = std::make_unique<internal::CoroutineSide>(*this);
  return *coroutines_;
}

Error TcpConnection::ended(std::string_view what) const {
  return Error::from_errno(
      number_of(close_reason_),
      fmt::format("{} on a connection that has ended ({})", what, to_string(close_reason_)));
}

// Input.

/// With what chunks hold of it: what counts against receive_limit.
std::size_t TcpConnection::held_input() const {
  return receive_buffer_.size() + (coroutines_ ? coroutines_->account->held() : 0);
}

std::size_t TcpConnection::receive_limit() const {
  return profile_->options.receive_limit;
}

Chunk TcpConnection::make_chunk(std::size_t count) {
  return Chunk(receive_buffer_, count, home().buffers(), coroutines().account);
}

void TcpConnection::chunk_was_freed() noexcept {
  if (state() != State::kOpen || held_input() >= receive_limit()) return;
  try {
    resume(kByFullBuffer);
  } catch (const std::bad_alloc&) {
    LEAT_LOG_ERROR("connection {} is not read on: out of memory", id_);
  }
}

/// True if it has to wait.
bool TcpConnection::begin_read(internal::ReadWait& wait) {
  internal::CoroutineSide& side = coroutines();
  side.reads = true;
  if (side.reader != nullptr) {
    wait.fail(Error::from_errno(EBUSY, "read while another read waits"));
    return false;
  }
  if (state() != State::kOpen && !side.end_taken) {
    end_read(wait);
    return false;
  }
  if (satisfy(wait)) return false;
  side.reader = &wait;
  return true;
}

void TcpConnection::forget_read(internal::ReadWait& wait) {
  if (coroutines_->reader == &wait) coroutines_->reader = nullptr;
}

/// Gives a read what has come, if that is enough for it.
bool TcpConnection::satisfy(internal::ReadWait& wait) {
  internal::CoroutineSide& side = *coroutines_;
  const bool is_last = peer_finished_ || side.no_more;
  const bool end = is_last && receive_buffer_.empty();
  if (!wait.take_from(receive_buffer_, is_last)) return false;
  if (end) {
    side.end_taken = true;
    if (finish_ == Finish::kSent && peer_finished_) end_soon(CloseReason::kPeerClosed);
  }
  return true;
}

/// No more input comes to a read, but perhaps that is no error.
void TcpConnection::end_read(internal::ReadWait& wait) {
  const bool in_order = peer_finished_ && close_reason_ == CloseReason::kPeerClosed;
  if (!in_order || !wait.take_from(receive_buffer_, true)) wait.fail(ended("read"));
}

/// Input or its end has come, in a callback of the loop.
void TcpConnection::input_for_coroutine() {
  internal::ReadWait* reader = coroutines_->reader;
  if (reader == nullptr || !satisfy(*reader)) return;
  coroutines_->reader = nullptr;
  reader->resume();
}

bool TcpConnection::has_unread_end() const {
  return coroutines_ && coroutines_->reads && !coroutines_->end_taken && state() == State::kOpen;
}

/// The server stops: reads end when what has come is read, writes go on.
void TcpConnection::end_reads() {
  coroutines_->no_more = true;
  pause(kByStop);
  internal::ReadWait* reader = coroutines_->reader;
  if (reader == nullptr || !satisfy(*reader)) return;
  coroutines_->reader = nullptr;
  reader->resume_soon();
}

// Output.

bool TcpConnection::begin_write(internal::OutputWait& wait) {
  if (send_queue_->held_bytes() <= profile_->options.high_water_mark) return false;
  coroutines().writers.push_back(wait);
  return true;
}

bool TcpConnection::begin_drain(internal::OutputWait& wait) {
  if (send_queue_->empty()) return false;
  coroutines().drainers.push_back(wait);
  return true;
}

/// Output has gone, in a callback of the loop. Who goes on may write again.
void TcpConnection::output_for_coroutines() {
  internal::CoroutineSide& side = *coroutines_;
  while (send_queue_->held_bytes() <= profile_->options.low_water_mark) {
    internal::OutputWait* writer = side.writers.pop_front();
    if (writer == nullptr) break;
    writer->resume();
  }
  while (send_queue_->empty()) {
    internal::OutputWait* drainer = side.drainers.pop_front();
    if (drainer == nullptr) break;
    drainer->resume();
  }
}

// End.

/// Input is thrown away from here on.
void TcpConnection::tell_reader_of_end() {
  internal::ReadWait* reader = std::exchange(coroutines_->reader, nullptr);
  if (reader == nullptr) return;
  end_read(*reader);
  reader->resume_soon();
}

void TcpConnection::tell_coroutines_of_end() {
  tell_reader_of_end();
  for (auto* waits : {&coroutines_->writers, &coroutines_->drainers}) {
    while (internal::OutputWait* wait = waits->pop_front()) {
      wait->fail(ended("write"));
      wait->resume_soon();
    }
  }
}

}  // namespace leat
