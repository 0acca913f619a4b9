// Internal: what the HTTP connections of one loop share.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "leat/base/timestamp.h"
#include "leat/http/http_counters.h"
#include "leat/http/internal/exchange.h"

namespace leat::http::internal {

/// On the loop's thread only, but for the counters.
class LoopState {
 public:
  explicit LoopState(const HttpOptions& limits) : limits_(limits) {
    // Giving back must not need memory.
    buffers_.reserve(kKept);
    exchanges_.reserve(kKept);
  }

  /// "HTTP/1.1 200 OK" and the Date field, with their line ends: made once a second.
  [[nodiscard]] std::string_view ok_and_date(Timestamp now);
  /// The Date field alone.
  [[nodiscard]] std::string_view date(Timestamp now) { return ok_and_date(now).substr(kOkSize); }

  /// An empty string with room, and the way back of it.
  [[nodiscard]] std::string take_buffer();
  void give_back(std::string buffer);

  /// An exchange that is ready for a request, and the way back of it.
  [[nodiscard]] std::unique_ptr<Exchange> take_exchange();
  void give_back(std::unique_ptr<Exchange> exchange);

  [[nodiscard]] HttpCounters& counters() { return counters_; }

 private:
  static constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\n";
  static constexpr std::size_t kOkSize = kOk.size();
  static constexpr std::size_t kKept = 16;
  static constexpr std::size_t kLargestKept = 256 * 1024;

  const HttpOptions& limits_;
  Timestamp second_ = Timestamp::from_time_t(0);
  std::string ok_and_date_;
  std::vector<std::string> buffers_;
  std::vector<std::unique_ptr<Exchange>> exchanges_;
  HttpCounters counters_;
};

}  // namespace leat::http::internal
