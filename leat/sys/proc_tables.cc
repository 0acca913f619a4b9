#include "leat/sys/proc_tables.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "leat/base/cpu_set.h"
#include "leat/base/internal/text_cursor.h"
#include "leat/base/whole_number.h"

namespace leat::sys {
namespace {

/// Cuts a text into lines and a line into words; knows the line's number for errors.
class Lines {
 public:
  Lines(const char* what, std::string_view text) : what_(what), rest_(text) {}

  std::optional<std::string_view> next() {
    if (rest_.empty()) return std::nullopt;
    ++number_;
    const std::size_t end = rest_.find('\n');
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return line;
  }
  [[nodiscard]] Error error(std::string_view line) const {
    return Error::from_errno(EBADMSG, std::string(what_) + " line " + std::to_string(number_) +
                                          ": " + leat::internal::quoted(line));
  }

 private:
  const char* what_;
  std::string_view rest_;
  int number_ = 0;
};

std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

/// The first line, "CPU0 CPU1 CPU3".
Result<std::vector<int>> cpus_of_head(Lines& lines) {
  const std::string_view head = lines.next().value_or("");
  std::string_view line = head;
  std::vector<int> cpus;
  for (auto word = take_word(line); !word.empty(); word = take_word(line)) {
    if (!word.starts_with("CPU")) return lines.error(head);
    const auto cpu = whole_number<int>(word.substr(3));
    if (!cpu || *cpu < 0 || *cpu >= CpuSet::kMaxCpus) return lines.error(head);
    cpus.push_back(*cpu);
  }
  if (cpus.empty()) return lines.error(head);
  return cpus;
}

/// Exactly `count` numbers, as the head line promised.
std::optional<std::vector<std::uint64_t>> counts_of(std::string_view& line, std::size_t count) {
  std::vector<std::uint64_t> counts;
  for (std::size_t i = 0; i < count; ++i) {
    const auto value = whole_number<std::uint64_t>(take_word(line));
    if (!value) return std::nullopt;
    counts.push_back(*value);
  }
  return counts;
}

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

/// The names stand last, two spaces after the chip's columns, with ", " between them
/// (kernel/irq/proc.c, show_interrupts()).
std::vector<std::string> actions_of(std::string_view line) {
  line = trimmed(line);
  const std::size_t gap = line.rfind("  ");
  if (gap == std::string_view::npos) return {};
  std::vector<std::string> actions;
  for (std::string_view rest = trimmed(line.substr(gap));;) {
    const std::size_t comma = rest.find(", ");
    actions.emplace_back(rest.substr(0, comma));
    if (comma == std::string_view::npos) return actions;
    rest.remove_prefix(comma + 2);
  }
}

}  // namespace

Result<InterruptTable> parse_interrupts(std::string_view text) {
  Lines lines("/proc/interrupts", text);
  InterruptTable table;
  auto cpus = cpus_of_head(lines);
  if (!cpus) return cpus.error();
  table.cpus = *std::move(cpus);
  while (const auto line = lines.next()) {
    std::string_view rest = *line;
    std::string_view label = take_word(rest);
    if (label.empty()) continue;
    if (!label.ends_with(':')) return lines.error(*line);
    label.remove_suffix(1);
    const auto number = whole_number<int>(label);
    if (!number) continue;  // NMI, LOC and other sums of the architecture.
    auto counts = counts_of(rest, table.cpus.size());
    if (!counts) return lines.error(*line);
    table.lines.push_back(
        {.number = *number, .counts = *std::move(counts), .actions = actions_of(rest)});
  }
  return table;
}

Result<std::vector<SoftnetLine>> parse_softnet(std::string_view text) {
  // Columns from 0: 0 processed, 1 dropped, 2 squeezed, 9 received_rps, 10 flow limit, 12 CPU,
  // 13 and 14 the two halves of the backlog.
  Lines lines("/proc/net/softnet_stat", text);
  std::vector<SoftnetLine> table;
  while (const auto line = lines.next()) {
    std::vector<std::uint64_t> columns;
    std::string_view rest = *line;
    for (auto word = take_word(rest); !word.empty(); word = take_word(rest)) {
      const auto value = whole_number<std::uint64_t>(word, 16);
      if (!value) return lines.error(*line);
      columns.push_back(*value);
    }
    if (columns.size() < 3) return lines.error(*line);
    const auto column = [&](std::size_t index) {
      return index < columns.size() ? std::optional(columns[index]) : std::nullopt;
    };
    const std::uint64_t cpu = column(12).value_or(table.size());
    if (cpu >= CpuSet::kMaxCpus) return lines.error(*line);
    table.push_back({.cpu = static_cast<int>(cpu),
                     .processed = columns[0],
                     .dropped = columns[1],
                     .squeezed = columns[2],
                     .received_rps = column(9),
                     .flow_limit = column(10),
                     .input_queue = column(13),
                     .process_queue = column(14)});
  }
  return table;
}

Result<SoftirqTable> parse_softirqs(std::string_view text) {
  Lines lines("/proc/softirqs", text);
  SoftirqTable table;
  auto cpus = cpus_of_head(lines);
  if (!cpus) return cpus.error();
  table.cpus = *std::move(cpus);
  while (const auto line = lines.next()) {
    std::string_view rest = *line;
    std::string_view label = take_word(rest);
    if (label.empty()) continue;
    auto counts = counts_of(rest, table.cpus.size());
    if (!label.ends_with(':') || !counts) return lines.error(*line);
    label.remove_suffix(1);
    table.lines.push_back({.name = std::string(label), .counts = *std::move(counts)});
  }
  return table;
}

Result<NamedNumbers> parse_protocol_counters(std::string_view text) {
  Lines lines("protocol counters", text);
  NamedNumbers counters;
  while (const auto names = lines.next()) {
    if (names->empty()) continue;
    const auto values = lines.next();
    std::string_view names_rest = *names;
    std::string_view values_rest = values.value_or("");
    const std::string_view protocol = take_word(names_rest);
    if (!protocol.ends_with(':') || take_word(values_rest) != protocol) return lines.error(*names);
    const std::string prefix = std::string(protocol.substr(0, protocol.size() - 1)) + ".";
    for (auto name = take_word(names_rest); !name.empty(); name = take_word(names_rest)) {
      const std::string_view word = take_word(values_rest);
      if (word.starts_with('-') && whole_number<std::int64_t>(word)) continue;
      const auto value = whole_number<std::uint64_t>(word);
      if (!value) return lines.error(*values);
      counters.push_back({prefix + std::string(name), *value});
    }
  }
  return counters;
}

Result<NamedNumbers> parse_name_value_lines(std::string_view text) {
  Lines lines("/proc/net/snmp6", text);
  NamedNumbers counters;
  while (const auto line = lines.next()) {
    std::string_view rest = *line;
    const std::string_view name = take_word(rest);
    if (name.empty()) continue;
    const auto value = whole_number<std::uint64_t>(take_word(rest));
    if (!value) return lines.error(*line);
    counters.push_back({std::string(name), *value});
  }
  return counters;
}

}  // namespace leat::sys
