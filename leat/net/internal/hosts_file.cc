#include "leat/net/internal/hosts_file.h"

#include <algorithm>
#include <optional>

#include "leat/net/internal/host_name.h"

namespace leat::internal {

namespace {

constexpr std::string_view kSpace = " \t\r\f\v";

/// The next word of `line`, which is shortened by it; empty at the end.
std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kSpace), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kSpace));
  line.remove_prefix(word.size());
  return word;
}

}  // namespace

HostsFile::HostsFile(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    add_line(line.substr(0, line.find('#')));
  }
}

void HostsFile::add_line(std::string_view line) {
  const std::string_view first = take_word(line);
  const std::optional<InetAddress> address = literal_address(first, 0);
  if (!address) return;
  for (std::string_view word = take_word(line); !word.empty(); word = take_word(line)) {
    if (word.ends_with('.')) word.remove_suffix(1);
    std::vector<InetAddress>& addresses = names_[to_lower(word)];
    if (std::find(addresses.begin(), addresses.end(), *address) == addresses.end()) {
      addresses.push_back(*address);
    }
  }
}

const std::vector<InetAddress>* HostsFile::find(const std::string& name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : &found->second;
}

}  // namespace leat::internal
