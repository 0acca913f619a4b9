// Public: LEAT_PORTS: which connections may leave TCP.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace leat::smc {

/// "80,6379,8000-8100" allows these ports alone, "!22,!5432" all but these. A connection has two
/// ports; one that is named is enough. 64 entries at most, further ones are not looked at. A value;
/// neither allocates nor throws.
class PortList {
 public:
  /// Allows all.
  constexpr PortList() = default;
  /// `text` may be null, which allows all.
  static constexpr PortList parse(const char* text) {
    PortList list;
    while (text != nullptr && *text != 0 && list.count_ < kMost) {
      if (*text == '!') {
        list.denies_ = true;
        ++text;
      }
      const std::uint16_t first = number(text);
      std::uint16_t last = first;
      if (*text == '-') last = number(++text);
      if (first != 0) list.ranges_[list.count_++] = {first, last};
      while (*text != 0 && *text != '!' && !is_digit(*text)) ++text;
    }
    return list;
  }
  [[nodiscard]] constexpr bool allows(std::uint16_t one, std::uint16_t other) const {
    if (count_ == 0) return true;
    for (std::size_t i = 0; i < count_; ++i) {
      if (ranges_[i].has(one) || ranges_[i].has(other)) return !denies_;
    }
    return denies_;
  }

 private:
  static constexpr std::size_t kMost = 64;
  struct Range {
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    [[nodiscard]] constexpr bool has(std::uint16_t port) const {
      return port >= first && port <= last;
    }
  };
  static constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static constexpr std::uint16_t number(const char*& text) {
    std::uint32_t value = 0;
    while (is_digit(*text)) value = value * 10 + static_cast<std::uint32_t>(*text++ - '0');
    return static_cast<std::uint16_t>(value);
  }

  std::array<Range, kMost> ranges_{};
  std::size_t count_ = 0;
  bool denies_ = false;
};

}  // namespace leat::smc
