// Public: tables of /proc that tell of interrupts, softirq work and protocols. Pure parsers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "leat/base/result.h"
#include "leat/sys/named_number.h"

namespace leat::sys {

/// A line of /proc/interrupts that has a number.
struct InterruptLine {
  int number = 0;
  std::vector<std::uint64_t> counts;  ///< One for each of `InterruptTable::cpus`.
  std::vector<std::string> actions;   ///< "virtio2-input.0"; several where it is shared.
};
struct InterruptTable {
  std::vector<int> cpus;  ///< Online ones, as the head line names them.
  std::vector<InterruptLine> lines;
};

/// A line of /proc/net/softnet_stat (net/core/net-procfs.c). Kernels before 5.10 do not name the
/// CPU, older ones have fewer columns: what is absent is not 0.
struct SoftnetLine {
  int cpu = 0;
  std::uint64_t processed = 0;
  std::uint64_t dropped = 0;                  ///< The backlog of this CPU was full.
  std::uint64_t squeezed = 0;                 ///< netdev_budget ran out with work left.
  std::optional<std::uint64_t> received_rps;  ///< Woken by another CPU for its packets.
  std::optional<std::uint64_t> flow_limit;   ///< Dropped by the flow limit, counted where enqueued.
  std::optional<std::uint64_t> input_queue;  ///< Packets now in the backlog, not yet taken.
  std::optional<std::uint64_t> process_queue;
};

/// One kind of softirq, of /proc/softirqs.
struct SoftirqLine {
  std::string name;  ///< "NET_RX"
  std::vector<std::uint64_t> counts;
};
struct SoftirqTable {
  std::vector<int> cpus;
  std::vector<SoftirqLine> lines;
};

// Each fails with EBADMSG and says in which line the text stops making sense.

[[nodiscard]] Result<InterruptTable> parse_interrupts(std::string_view text);
[[nodiscard]] Result<std::vector<SoftnetLine>> parse_softnet(std::string_view text);
[[nodiscard]] Result<SoftirqTable> parse_softirqs(std::string_view text);
/// /proc/net/snmp and /proc/net/netstat: a line of names and a line of values for each protocol,
/// given as "TcpExt.ListenDrops". A value of -1 (Tcp.MaxConn) is left out.
[[nodiscard]] Result<NamedNumbers> parse_protocol_counters(std::string_view text);
/// /proc/net/snmp6: "Udp6InErrors 3" each line.
[[nodiscard]] Result<NamedNumbers> parse_name_value_lines(std::string_view text);

}  // namespace leat::sys
