// Internal: a fast checksum of a body that comes in pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace leat::app {

/// The same for the same bytes, however they were cut. Finds accidents, not forgers.
class BodyHash {
 public:
  void add(std::string_view bytes) {
    size_ += bytes.size();
    while (!bytes.empty() && pending_size_ != 0) add_byte(take_first(bytes));
    for (; bytes.size() >= sizeof(std::uint64_t); bytes.remove_prefix(sizeof(std::uint64_t))) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data(), sizeof word);
      mix(word);
    }
    while (!bytes.empty()) add_byte(take_first(bytes));
  }

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::uint64_t value() const {
    BodyHash copy = *this;
    copy.mix(copy.pending_);
    copy.mix(size_);
    return copy.state_;
  }
  void reset() { *this = BodyHash(); }

 private:
  static unsigned char take_first(std::string_view& bytes) {
    const auto first = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    return first;
  }
  void add_byte(unsigned char byte) {
    pending_ |= std::uint64_t{byte} << (8 * pending_size_);
    if (++pending_size_ < sizeof pending_) return;
    mix(pending_);
    pending_ = 0;
    pending_size_ = 0;
  }
  /// The finaliser of Austin Appleby's MurmurHash3, one round a word.
  void mix(std::uint64_t word) {
    state_ = (state_ ^ word) * 0xff51'afd7'ed55'8ccd;
    state_ ^= state_ >> 32;
  }

  std::uint64_t state_ = 0x9e37'79b9'7f4a'7c15;
  std::uint64_t size_ = 0;
  std::uint64_t pending_ = 0;
  unsigned pending_size_ = 0;
};

}  // namespace leat::app
