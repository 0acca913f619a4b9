// Internal: the process pages that the broker has given out.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/smc/broker_report.h"
#include "leat/smc/internal/memory_file.h"
#include "leat/smc/process_page.h"

namespace leat::smc::internal {

/// 64 bits nobody can guess.
[[nodiscard]] std::uint64_t random_token();

/// One thread. A page lives until nobody maps it; its counters then go to the totals.
class PageTable {
 public:
  /// A page younger than `grace` may still be on its way to its process.
  PageTable(std::size_t most, Duration grace) : most_(most), grace_(grace) {}

  /// The new page's file. EMFILE if there are too many.
  Result<int> add(uid_t uid, pid_t pid, const char* program, MonotonicTime now);
  /// Whose page it is; false if there is none of this token.
  bool find(std::uint64_t token, uid_t& uid) const;
  /// Tells the family that there is something to fetch for the connection in `slot`.
  void notify(std::uint64_t token, std::uint32_t slot);
  /// Whether `slot` still holds the socket `cookie`.
  [[nodiscard]] bool holds(std::uint64_t token, std::uint32_t slot, std::uint64_t cookie) const;

  /// Looks at `count` pages, from where it stopped, and removes what nobody maps.
  void sweep(std::size_t count, MonotonicTime now);

  [[nodiscard]] std::size_t size() const { return pages_.size(); }
  /// Adds up living and gone.
  [[nodiscard]] BrokerTotals totals() const;
  /// All connections of all pages; without their segments.
  void list(std::vector<ConnectionRecord>& records) const;

 private:
  struct Page {
    MemoryFile file;
    uid_t uid;
    pid_t pid;
    char program[64];
    MonotonicTime probe_after;
    std::uint64_t mail = 0;
  };
  static BrokerTotals counters(const Page& page);
  static void list_page(const Page& page, std::vector<ConnectionRecord>& records);

  std::size_t most_;
  Duration grace_;
  std::map<std::uint64_t, Page> pages_;
  std::uint64_t swept_ = 0;  ///< The token the sweep stopped at.
  BrokerTotals gone_;
};

}  // namespace leat::smc::internal
