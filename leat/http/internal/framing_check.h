// Internal: line ends of chunked framing.
#pragma once

#include <string_view>

namespace leat::http::internal {

/// Watches the bytes of a chunked body that are not data: each CR must be followed by LF, each LF
/// preceded by CR (RFC 9112, 2.2), no line may continue the one before (5.2), and there are no
/// other control characters than HTAB (RFC 9110, 5.5 and 5.6.4). llhttp 8.1 lets folded trailers
/// pass, and so what one server takes for a value another may take for a field; and DEL in quoted
/// extensions.
class FramingCheck {
 public:
  void restart() { last_ = 0; }
  /// False once a rule is broken.
  [[nodiscard]] bool feed(std::string_view framing) {
    for (const char c : framing) {
      const bool is_end = last_ == '\r';
      const bool starts_folded = last_ == '\n' && (c == ' ' || c == '\t');
      if (is_end != (c == '\n') || starts_folded || is_control(c)) return false;
      last_ = c;
    }
    return true;
  }
  /// Data lies between what was fed and what will be.
  void skip_data() { last_ = 0; }

 private:
  static bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x7f || (byte < 0x20 && c != '\r' && c != '\n' && c != '\t');
  }

  char last_ = 0;
};

}  // namespace leat::http::internal
