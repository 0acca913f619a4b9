// Internal: line ends of chunked framing.
#pragma once

#include <string_view>

namespace leat::http::internal {

/// Watches the bytes of a chunked body that are not data: each CR must be followed by LF, each LF
/// preceded by CR (RFC 9112, 2.2), and no line may continue the one before (5.2). llhttp 8.1 lets
/// folded trailers pass, and so what one server takes for a value another may take for a field.
class FramingCheck {
 public:
  void restart() { last_ = 0; }
  /// False once a rule is broken.
  [[nodiscard]] bool feed(std::string_view framing) {
    for (const char c : framing) {
      const bool is_end = last_ == '\r';
      const bool starts_folded = last_ == '\n' && (c == ' ' || c == '\t');
      if (is_end != (c == '\n') || starts_folded) return false;
      last_ = c;
    }
    return true;
  }
  /// Data lies between what was fed and what will be.
  void skip_data() { last_ = 0; }

 private:
  char last_ = 0;
};

}  // namespace leat::http::internal
