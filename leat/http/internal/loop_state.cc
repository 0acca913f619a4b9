#include "leat/http/internal/loop_state.h"

#include <chrono>
#include <utility>

namespace leat::http::internal {

std::string_view LoopState::ok_and_date(Timestamp now) {
  if (now < second_ || now >= second_ + std::chrono::seconds(1)) {
    second_ = Timestamp::from_time_t(now.to_time_t());
    ok_and_date_.assign(kOk).append("Date: ").append(now.to_http_date()).append("\r\n");
  }
  return ok_and_date_;
}

std::string LoopState::take_buffer() {
  if (buffers_.empty()) return {};
  std::string buffer = std::move(buffers_.back());
  buffers_.pop_back();
  return buffer;
}

void LoopState::give_back(std::string buffer) {
  if (buffers_.size() >= kKept || buffer.capacity() > kLargestKept) return;
  buffer.clear();
  buffers_.push_back(std::move(buffer));
}

std::unique_ptr<Exchange> LoopState::take_exchange() {
  if (exchanges_.empty()) return std::make_unique<Exchange>(limits_);
  std::unique_ptr<Exchange> exchange = std::move(exchanges_.back());
  exchanges_.pop_back();
  return exchange;
}

void LoopState::give_back(std::unique_ptr<Exchange> exchange) {
  if (exchanges_.size() >= kKept) return;
  exchange->forget();
  exchanges_.push_back(std::move(exchange));
}

}  // namespace leat::http::internal
