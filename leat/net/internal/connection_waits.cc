#include "leat/net/internal/connection_waits.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "leat/base/assert.h"
#include "leat/net/receive_buffer.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/event_loop.h"

namespace leat::internal {

// Reading.

ReadWait::ReadWait(std::shared_ptr<TcpConnection> connection)
    : connection_(std::move(connection)), kind_(Kind::kAny) {}

ReadWait::ReadWait(std::shared_ptr<TcpConnection> connection, std::size_t count)
    : connection_(std::move(connection)), kind_(Kind::kCount), most_(count) {}

ReadWait::ReadWait(std::shared_ptr<TcpConnection> connection, std::string delimiter,
                   std::size_t most)
    : connection_(std::move(connection)),
      kind_(Kind::kDelimiter),
      most_(most),
      delimiter_(std::move(delimiter)) {}

ReadWait::~ReadWait() {
  leave();
}

bool ReadWait::begin() {
  LEAT_ASSERT(&strand().loop() == &connection_->loop(), "a connection of another loop was read");
  in_place_ = connection_->begin_read(*this);
  return in_place_;
}

void ReadWait::leave() {
  if (std::exchange(in_place_, false)) connection_->forget_read(*this);
}

void ReadWait::cancel() {
  leave();
  resume_soon();
}

Result<Chunk> ReadWait::await_resume() {
  if (was_cancelled()) return cancelled("read");
  return std::move(*result_);
}

bool ReadWait::take_from(ReceiveBuffer& input, bool is_last) {
  std::optional<std::size_t> count = find(input.view());
  if (result_) return true;
  if (!count && is_last) count = input.size();
  if (!count) return false;
  result_.emplace(*count == 0 ? Chunk() : connection_->make_chunk(*count));
  return true;
}

std::optional<std::size_t> ReadWait::find(std::string_view input) {
  switch (kind_) {
    case Kind::kAny:
      // Half of the limit, so that whoever keeps one chunk while it reads the next gets that.
      if (input.empty()) return std::nullopt;
      return std::min(input.size(), std::max<std::size_t>(connection_->receive_limit() / 2, 1));
    case Kind::kCount:
      if (most_ > connection_->receive_limit()) {
        fail(Error::from_errno(EMSGSIZE, "read of more than receive_limit"));
      }
      if (input.size() < most_) return std::nullopt;
      return most_;
    case Kind::kDelimiter:
      break;
  }
  const std::string_view searched = input.substr(0, most_);
  const std::size_t found = searched.find(delimiter_, searched_);
  if (found != std::string_view::npos) return found + delimiter_.size();
  if (searched.size() == most_ || searched.size() >= connection_->receive_limit()) {
    fail(Error::from_errno(EMSGSIZE, "read of a piece that does not end"));
  }
  searched_ = searched.size() - std::min(searched.size(), delimiter_.size() - 1);
  return std::nullopt;
}

// Writing.

OutputWait::OutputWait(std::shared_ptr<TcpConnection> connection)
    : connection_(std::move(connection)) {}

OutputWait::OutputWait(std::shared_ptr<TcpConnection> connection, std::string_view bytes)
    : connection_(std::move(connection)), bytes_(bytes) {}

OutputWait::OutputWait(std::shared_ptr<TcpConnection> connection, std::string&& bytes)
    : connection_(std::move(connection)), bytes_(std::move(bytes)) {}

bool OutputWait::begin() {
  LEAT_ASSERT(&strand().loop() == &connection_->loop(), "a connection of another loop was used");
  if (bytes_.index() == 0) return connection_->begin_drain(*this);
  if (auto* owned = std::get_if<std::string>(&bytes_)) {
    result_ = connection_->send(std::move(*owned));
  } else {
    result_ = connection_->send(std::get<std::string_view>(bytes_));
  }
  return result_ && connection_->begin_write(*this);
}

void OutputWait::cancel() {
  unlink();
  resume_soon();
}

Result<void> OutputWait::await_resume() {
  if (was_cancelled()) return cancelled("write");
  return std::move(result_);
}

}  // namespace leat::internal
