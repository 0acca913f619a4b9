// Internal: a server's counters as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace leat {
class TcpServer;
}

namespace leat::app {

/// {"accepted": ..., "open": ..., "closed": {REASON: ...}, ..., "loops": [the same for each]}.
/// Sums over the loops, and each loop. Any thread, while the server is started.
[[nodiscard]] nlohmann::ordered_json server_counters(const TcpServer& server);

/// {"user_s": ..., "system_s": ...} of this process so far.
[[nodiscard]] nlohmann::ordered_json cpu_times();

}  // namespace leat::app
