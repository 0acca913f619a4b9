// Internal: the broker's answers, without its sockets.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/smc/broker_report.h"
#include "leat/smc/internal/memory_file.h"
#include "leat/smc/internal/page_table.h"
#include "leat/smc/internal/policy.h"
#include "leat/smc/internal/rendezvous.h"

namespace leat::smc::internal {

/// Decides who gets what. One thread.
class BrokerDesk {
 public:
  struct Limits {
    std::size_t pages = 4096;
    Duration page_grace{};  ///< A page so young may not be mapped yet.
    Rendezvous::Limits rendezvous;
  };
  BrokerDesk(std::string directory, uid_t owner, const Limits& limits)
      : directory_(std::move(directory)),
        owner_(owner),
        limits_(limits),
        pages_(limits.pages, limits.page_grace),
        rendezvous_(pages_, limits.rendezvous) {}

  /// Reads the policy if its file has changed. A bad one: the old one stays, and the error tells.
  Result<void> refresh_policy();

  /// The answer's `fd` stays the desk's, until the next call.
  Answer answer(const Asker& asker, const Request& request, MonotonicTime now);
  /// Whether its relays are this broker's business.
  [[nodiscard]] bool may_relay(const Asker& asker, const Request& request) const {
    return request.ask == Ask::kRelay && is_allowed(asker, request);
  }
  void sweep(MonotonicTime now);
  /// Nobody has a page or a segment.
  [[nodiscard]] bool is_idle() const { return pages_.size() == 0 && rendezvous_.segments() == 0; }

 private:
  [[nodiscard]] bool is_allowed(const Asker& asker, const Request& request) const;
  Answer hello(const Asker& asker, const Request& request, MonotonicTime now);
  Answer report();
  [[nodiscard]] BrokerTotals totals() const;

  std::string directory_;
  uid_t owner_;
  Limits limits_;
  Policy policy_;
  std::string policy_path_;
  timespec policy_time_{};
  PageTable pages_;
  Rendezvous rendezvous_;
  BrokerTotals baseline_;
  std::optional<MemoryFile> report_;
};

}  // namespace leat::smc::internal
