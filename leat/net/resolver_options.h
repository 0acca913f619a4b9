// Public: whom a Resolver asks, how long, and how much at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/net/inet_address.h"

namespace leat {

struct ResolverOptions {
  enum class Families { kBoth, kIpv4, kIpv6 };

  /// Name servers, asked in this order, each on its port over UDP and, for answers too long for
  /// that, TCP. None: those of `resolv_conf`.
  std::vector<InetAddress> servers = {};
  /// For the first answer of a server, at least 1 ms; twice as long in each further round.
  Duration timeout = std::chrono::seconds(2);
  /// Rounds through the servers, at least 1. With two servers that say nothing the defaults take
  /// 2 * (2 + 4 + 8) s.
  int tries = 3;
  Families families = Families::kBoth;
  /// Domains to try behind a name; none at all if empty. Unset: those of `resolv_conf`.
  std::optional<std::vector<std::string>> search = std::nullopt;
  /// Read on another thread, before the first answer and then when they have changed. An empty
  /// path: no such file.
  std::string resolv_conf = "/etc/resolv.conf";
  std::string hosts_file = "/etc/hosts";
  /// A question that comes so long after the last look at these files has them looked at again,
  /// for the questions after it.
  Duration files_age = std::chrono::seconds(5);
  /// Questions that have no answer yet, and look-ups that still run although nobody waits any
  /// more. At least 1.
  std::size_t max_questions = 1000;
  /// Of one name and family, at least 1; what else the answer has is dropped.
  std::size_t max_addresses = 32;
};

}  // namespace leat
