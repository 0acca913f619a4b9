#include <array>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/leat/smc_tools.h"

namespace leat::app {

namespace {

using smc::BrokerReport;
using smc::BrokerTotals;
using smc::FallbackReason;

constexpr std::array<std::string_view, smc::kFallbackReasons> kKeys = {
    "none",          "not_earned",     "waiting_for_peer", "no_broker",      "policy",
    "denied_port",   "denied_program", "inherited",        "socket_bound",   "not_established",
    "segment_limit", "table_full",     "urgent_data",      "kernel_tls",     "io_uring",
    "passed_on",     "socket_option",  "async_io",         "self_connected", "old_kernel",
    "off",           "broken",         "no_proof",         "no_memory",      "proving"};

std::uint64_t wakes_sent(const BrokerTotals& totals) {
  return totals.tx_doorbells + totals.tx_futex_wakes;
}

std::uint64_t wakes_spared(const BrokerTotals& totals) {
  const std::uint64_t sent = wakes_sent(totals);
  return totals.tx_messages > sent ? totals.tx_messages - sent : 0;
}

std::string line(std::string_view what, std::uint64_t count) {
  return fmt::format("  {:<44} {:>16}\n", what, count);
}

}  // namespace

std::string_view reason_key(FallbackReason reason) {
  const auto number = static_cast<std::size_t>(reason);
  return number < kKeys.size() ? kKeys[number] : "unknown";
}

std::string short_size(std::uint64_t bytes) {
  constexpr std::uint64_t kKilo = 1024;
  constexpr std::uint64_t kMega = kKilo * kKilo;
  if (bytes >= kMega && bytes % kMega == 0) return fmt::format("{}M", bytes / kMega);
  if (bytes >= kKilo && bytes % kKilo == 0) return fmt::format("{}K", bytes / kKilo);
  return fmt::format("{}", bytes);
}

std::string stats_text(const BrokerReport& report) {
  const BrokerTotals& totals = report.totals;
  std::string text = "Connections (each end counts)\n";
  text += line("seen under Leat", totals.connections);
  text += line("accelerated", totals.shared);
  for (std::size_t i = 1; i < smc::kFallbackReasons; ++i) {
    if (totals.fallback[i] == 0) continue;
    text +=
        line(fmt::format("TCP: {}", to_string(static_cast<FallbackReason>(i))), totals.fallback[i]);
  }
  text += line("folded back, as sender", totals.folded_output);
  text += line("folded back, as receiver", totals.folded_input);
  text += "Data by shared memory\n";
  text += line("bytes", totals.ring_bytes);
  text += line("sends", totals.tx_messages);
  text += line("receives", totals.rx_messages);
  text += line("sends that found a ring full", totals.tx_ring_full);
  text += "Waiting\n";
  text += line("wake-ups sent by TCP", totals.tx_doorbells);
  text += line("wake-ups sent by futex", totals.tx_futex_wakes);
  text += line("wake-ups spared", wakes_spared(totals));
  text += line("spins won, in recv", totals.rx_spins_won);
  text += line("spins lost, in recv", totals.rx_spins_lost);
  text += line("spins won, in poll and epoll", totals.set_spins_won);
  text += line("spins lost, in poll and epoll", totals.set_spins_lost);
  text += "Now\n";
  text += line("programs", report.processes);
  text += line("segments", report.segments.size());
  text += line("offers that wait for a peer", report.pending_offers);
  return text;
}

std::string stats_json(const BrokerReport& report) {
  const BrokerTotals& totals = report.totals;
  nlohmann::ordered_json fallback = nlohmann::ordered_json::object();
  for (std::size_t i = 1; i < smc::kFallbackReasons; ++i) fallback[kKeys[i]] = totals.fallback[i];
  const nlohmann::ordered_json json{{"broker_pid", report.broker_pid},
                                    {"connections", totals.connections},
                                    {"shared", totals.shared},
                                    {"fallback", fallback},
                                    {"folded_output", totals.folded_output},
                                    {"folded_input", totals.folded_input},
                                    {"ring_bytes", totals.ring_bytes},
                                    {"tx_messages", totals.tx_messages},
                                    {"rx_messages", totals.rx_messages},
                                    {"ring_full", totals.tx_ring_full},
                                    {"wakes_by_tcp", totals.tx_doorbells},
                                    {"wakes_by_futex", totals.tx_futex_wakes},
                                    {"wakes_spared", wakes_spared(totals)},
                                    {"spins_won", totals.rx_spins_won},
                                    {"spins_lost", totals.rx_spins_lost},
                                    {"set_spins_won", totals.set_spins_won},
                                    {"set_spins_lost", totals.set_spins_lost},
                                    {"segments_made", totals.segments},
                                    {"segments", report.segments.size()},
                                    {"programs", report.processes},
                                    {"pending_offers", report.pending_offers}};
  return json.dump();
}

}  // namespace leat::app
