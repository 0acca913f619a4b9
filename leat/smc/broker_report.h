// Public: what the broker knows of processes, connections and segments, for the tools.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "leat/base/result.h"
#include "leat/smc/broker_directory.h"
#include "leat/smc/fallback_reason.h"
#include "leat/smc/process_page.h"

namespace leat::smc {

/// Sums over families of processes and over segments, living and gone. All are counts.
struct BrokerTotals {
  std::uint64_t connections = 0;  ///< TCP connections that programs under Leat had.
  std::uint64_t shared = 0;       ///< Of these accelerated; each end counts by itself.
  std::uint64_t fallback[kFallbackReasons] = {};
  std::uint64_t set_spins_won = 0;  ///< In epoll_wait, poll and select.
  std::uint64_t set_spins_lost = 0;
  std::uint64_t folded_output = 0;
  std::uint64_t folded_input = 0;
  std::uint64_t segments = 0;  ///< Ever made.
  std::uint64_t ring_bytes = 0;
  std::uint64_t tx_messages = 0;
  std::uint64_t tx_doorbells = 0;
  std::uint64_t tx_futex_wakes = 0;
  std::uint64_t tx_ring_full = 0;
  std::uint64_t rx_messages = 0;
  std::uint64_t rx_spins_won = 0;
  std::uint64_t rx_spins_lost = 0;

  BrokerTotals& operator+=(const BrokerTotals& other);
  /// Never below zero: a counter that a program has set back counts from there.
  BrokerTotals& operator-=(const BrokerTotals& other);
};

/// Plain data, as it lies in the report's memory file.
struct ConnectionRecord {
  std::uint64_t cookie = 0;
  std::uint64_t segment = 0;  ///< Token of a SegmentRecord; 0: none.
  std::uint64_t calls = 0;
  std::uint64_t bytes = 0;
  std::uint32_t uid = 0;
  std::int32_t pid = 0;  ///< Of the first process of the family.
  char program[64] = {};
  SocketNames names;
  SlotState state = SlotState::kFree;
  FallbackReason reason = FallbackReason::kNone;
  std::uint32_t end = 0;
  std::uint32_t reserved = 0;
};

/// One end of a segment; the cursors of EndControl, which see.
struct EndRecord {
  std::uint64_t cookie = 0;
  std::uint32_t uid = 0;
  std::uint32_t big_ring = 0;  ///< Bytes; of the ring that this end receives in.
  std::uint32_t state = 0;     ///< EndState.
  std::uint32_t flags = 0;
  std::uint32_t tx_lane = 0;
  std::uint32_t rx_lane = 0;
  std::uint64_t tx_position = 0;
  std::uint64_t rx_position = 0;
  std::uint64_t tx_produced[2] = {};
  std::uint64_t rx_consumed[2] = {};
  std::uint64_t tx_messages = 0;
  std::uint64_t rx_messages = 0;
  std::uint64_t tx_doorbells = 0;
  std::uint64_t tx_futex_wakes = 0;
  std::uint64_t tx_ring_full = 0;
};

struct SegmentRecord {
  std::uint64_t token = 0;
  EndRecord end[2];
};

struct BrokerReport {
  std::int32_t broker_pid = 0;
  std::uint64_t pending_offers = 0;
  std::uint64_t processes = 0;  ///< Families that live.
  BrokerTotals totals;          ///< Since the broker began, or the last reset.
  std::vector<ConnectionRecord> connections;
  std::vector<SegmentRecord> segments;

  /// As bytes, and back; EBADMSG if they are no report.
  [[nodiscard]] std::string encode() const;
  static Result<BrokerReport> decode(const std::string& bytes);
};

/// Asks the broker in `directory`. ENOENT: none answers. EACCES: it belongs to another user.
Result<BrokerReport> ask_report(const BrokerDirectory& directory);
/// The totals count from now.
Result<void> reset_report(const BrokerDirectory& directory);

}  // namespace leat::smc
