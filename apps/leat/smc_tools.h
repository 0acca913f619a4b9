// Internal: the parts of `leat ss` and `leat smc`.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "leat/smc/broker_report.h"

namespace leat::app {

[[nodiscard]] std::string stats_text(const smc::BrokerReport& report);
[[nodiscard]] std::string stats_json(const smc::BrokerReport& report);

/// `leat smc check`: prints what a connection to `target` would get; the exit status.
int check(const std::string& target, bool json);

/// "waiting_for_peer": a reason as the key of an object.
[[nodiscard]] std::string_view reason_key(smc::FallbackReason reason);
/// "4M", "64K", "1000".
[[nodiscard]] std::string short_size(std::uint64_t bytes);

/// A process that listens on a TCP port, as far as /proc shows it.
struct Listener {
  uid_t uid = 0;
  pid_t pid = 0;  ///< 0: not visible.
  std::string program;
  bool under_leat = false;  ///< Has a page of a broker.
  std::string ports;        ///< Its LEAT_PORTS.
};
/// Who listens at `port` for connections to the address (4 or 16 bytes, network order). Several
/// share a port, or have inherited it.
[[nodiscard]] std::vector<Listener> find_listeners(std::string_view address, std::uint16_t port);

}  // namespace leat::app
