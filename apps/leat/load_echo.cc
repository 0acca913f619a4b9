// leat load tcp://...: what is sent must come back.

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "leat/base/random.h"

#include "apps/leat/load_protocol.h"

namespace leat::app {

namespace {

/// Random bytes with a period that is no multiple of any message size, so that a byte lost, doubled
/// or out of place is seen. A message is `size` bytes from any place within the first period.
///
///     +---------------------------+------------------+
///     | kPeriod random bytes      | the same again   |
///     +---------------------------+------------------+
///         ^ message 0 ... size  ^ message 1
class EchoPattern {
 public:
  static constexpr std::size_t kPeriod = 65'521;  // a prime

  explicit EchoPattern(std::size_t size) : size_(size) {
    Random random(0x1ea7);
    bytes_.reserve(kPeriod + size);
    while (bytes_.size() < kPeriod) bytes_.push_back(static_cast<char>(random() & 0xff));
    while (bytes_.size() < kPeriod + size) bytes_.push_back(bytes_[bytes_.size() - kPeriod]);
  }

  [[nodiscard]] std::string_view message(std::size_t at) const {
    return std::string_view(bytes_).substr(at, size_);
  }
  [[nodiscard]] std::size_t next(std::size_t at) const { return (at + size_) % kPeriod; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  const std::size_t size_;
  std::string bytes_;
};

class EchoProtocol final : public LoadProtocol {
 public:
  /// Larger messages are not copied for sending.
  static constexpr std::size_t kCopied = 16 * 1024;

  EchoProtocol(std::shared_ptr<const EchoPattern> pattern, std::size_t index)
      : pattern_(std::move(pattern)), begin_(index * 7919 % EchoPattern::kPeriod) {}

  void restart() override {
    sending_ = receiving_ = begin_;
    received_ = 0;
  }

  std::size_t send_request(TcpConnection& connection) override {
    const std::string_view message = pattern_->message(sending_);
    if (message.size() <= kCopied) {
      connection.send(message);
    } else {
      connection.send(pattern_, message);
    }
    sending_ = pattern_->next(sending_);
    return message.size();
  }

  Step receive(std::string_view input) override {
    const std::string_view rest = pattern_->message(receiving_).substr(received_);
    const std::size_t count = std::min(rest.size(), input.size());
    if (input.substr(0, count) != rest.substr(0, count)) {
      const auto wrong = std::mismatch(input.begin(), input.begin() + count, rest.begin()).first;
      complaint_ = fmt::format("byte {} of an echo is wrong",
                               received_ + static_cast<std::size_t>(wrong - input.begin()));
      return {.event = Event::kBadBody, .consumed = count, .last = true};
    }
    received_ += count;
    if (received_ < pattern_->size()) return {.event = Event::kNeedMore, .consumed = count};
    received_ = 0;
    receiving_ = pattern_->next(receiving_);
    return {.event = Event::kAnswer, .consumed = count};
  }

  Event receive_end() override { return Event::kNeedMore; }
  [[nodiscard]] std::string_view complaint() const override { return complaint_; }

 private:
  const std::shared_ptr<const EchoPattern> pattern_;
  const std::size_t begin_;
  std::size_t sending_ = 0;
  std::size_t receiving_ = 0;
  std::size_t received_ = 0;
  std::string complaint_;
};

class EchoFactory final : public LoadProtocolFactory {
 public:
  explicit EchoFactory(std::size_t size) : pattern_(std::make_shared<EchoPattern>(size)) {}

  std::unique_ptr<LoadProtocol> make(std::size_t index) override {
    auto protocol = std::make_unique<EchoProtocol>(pattern_, index);
    protocol->restart();
    return protocol;
  }

 private:
  const std::shared_ptr<const EchoPattern> pattern_;
};

}  // namespace

std::unique_ptr<LoadProtocolFactory> make_echo_factory(const LoadOptions& options) {
  return std::make_unique<EchoFactory>(options.size);
}

}  // namespace leat::app
