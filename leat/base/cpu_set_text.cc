// The list form and the mask form of CPU sets, man 7 cpuset, "FORMATS".
#include <optional>

#include <fmt/format.h>

#include "leat/base/cpu_set.h"
#include "leat/base/internal/text_cursor.h"

namespace leat {
namespace {

using internal::TextCursor;

constexpr int kGroupBits = 32;
constexpr int kGroupDigits = kGroupBits / 4;

std::string_view without_newline(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

Result<int> take_cpu(TextCursor& cursor) {
  const auto cpu = cursor.take_number("a CPU number", CpuSet::kMaxCpus - 1);
  if (!cpu) return cpu.error();
  return static_cast<int>(*cpu);
}

/// One to eight hexadecimal digits.
Result<std::uint32_t> take_group(TextCursor& cursor) {
  std::uint32_t group = 0;
  int digits = 0;
  while (const std::optional<int> digit = cursor.take_hex_digit()) {
    if (++digits > kGroupDigits) return cursor.error("more than eight digits without ',', read");
    group = group << 4 | static_cast<std::uint32_t>(*digit);
  }
  if (digits == 0) return cursor.error("expected a hexadecimal digit");
  return group;
}

}  // namespace

Result<CpuSet> CpuSet::parse_list(std::string_view text) {
  CpuSet set;
  TextCursor cursor("CPU list", without_newline(text));
  if (cursor.at_end()) return set;
  do {
    const auto first = take_cpu(cursor);
    if (!first) return first.error();
    auto last = first;
    if (cursor.take('-')) {
      const TextCursor before_last = cursor;
      last = take_cpu(cursor);
      if (!last) return last.error();
      if (*last < *first) return before_last.error("the range ends before its begin");
    }
    set |= range(*first, *last);
  } while (cursor.take(','));
  if (!cursor.at_end()) return cursor.error("expected ',' or '-' or the end");
  return set;
}

Result<CpuSet> CpuSet::parse_mask(std::string_view text) {
  TextCursor cursor("CPU mask", without_newline(text));
  std::vector<std::uint32_t> groups;  // highest first
  do {
    const auto group = take_group(cursor);
    if (!group) return group.error();
    if (groups.size() == kMaxCpus / kGroupBits) return cursor.error("more CPUs than 65536, read");
    groups.push_back(*group);
  } while (cursor.take(','));
  if (!cursor.at_end()) return cursor.error("expected ',' or a hexadecimal digit or the end");
  CpuSet set;
  set.words_.assign((groups.size() + 1) / 2, 0);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const Word group = groups[groups.size() - 1 - i];
    set.words_[i / 2] |= group << (i % 2 * kGroupBits);
  }
  set.trim();
  return set;
}

std::string CpuSet::to_list() const {
  std::string text;
  for (int cpu = next(0); cpu != kMaxCpus; cpu = next(cpu + 1)) {
    int last = cpu;
    while (contains(last + 1)) ++last;
    if (!text.empty()) text += ',';
    text += last == cpu ? fmt::format("{}", cpu) : fmt::format("{}-{}", cpu, last);
    cpu = last;
  }
  return text;
}

std::string CpuSet::to_mask() const {
  std::string text;
  for (std::size_t i = words_.size() * 2; i-- > 0;) {
    const auto group = static_cast<std::uint32_t>(words_[i / 2] >> (i % 2 * kGroupBits));
    if (!text.empty()) {
      text += fmt::format(",{:08x}", group);
    } else if (group != 0) {
      text = fmt::format("{:x}", group);
    }
  }
  return text.empty() ? "0" : text;
}

}  // namespace leat
