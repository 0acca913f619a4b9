#include "leat/sys/machine.h"

#include <cerrno>
#include <charconv>

#include "leat/base/internal/text_cursor.h"

namespace leat::sys {

Result<std::string> read_line(Machine& machine, const std::string& path) {
  Result<std::string> text = machine.read_file(path);
  if (text && text->ends_with('\n')) text->pop_back();
  return text;
}

Result<std::int64_t> read_number(Machine& machine, const std::string& path) {
  const Result<std::string> text = read_line(machine, path);
  if (!text) return text.error();
  std::int64_t number = 0;
  const char* const end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    return Error::from_errno(
        EBADMSG, path + ": a number was expected, not " + leat::internal::quoted(*text));
  }
  return number;
}

}  // namespace leat::sys
