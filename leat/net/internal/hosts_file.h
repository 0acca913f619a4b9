// Internal: the names of /etc/hosts; pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "leat/net/inet_address.h"

namespace leat::internal {

/// A value: address, names, '#' and a comment on each line (man 5 hosts). A line that does not
/// begin with an address is passed over, as everybody does.
class HostsFile {
 public:
  HostsFile() = default;
  explicit HostsFile(std::string_view text);

  /// The addresses of a name in lower case and without a dot at its end, in the file's order, with
  /// port 0; null if the file does not know it.
  [[nodiscard]] const std::vector<InetAddress>* find(const std::string& name) const;
  [[nodiscard]] std::size_t size() const { return names_.size(); }

 private:
  void add_line(std::string_view line);

  std::unordered_map<std::string, std::vector<InetAddress>> names_;
};

}  // namespace leat::internal
