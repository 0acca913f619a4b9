// leat ss: the connections of programs under Leat, in the manner of smcss.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "leat/smc/segment.h"

#include "apps/leat/cli_options.h"
#include "apps/leat/command.h"
#include "apps/leat/smc_tools.h"

namespace leat::app {

namespace {

using smc::BrokerReport;
using smc::ConnectionRecord;
using smc::EndRecord;
using smc::SegmentRecord;
using smc::SlotState;

struct SsOptions {
  bool all = false;
  bool details = false;
  bool json = false;
};

std::string address_text(const smc::SocketNames& names, const std::uint8_t (&bytes)[16],
                         std::uint16_t port) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool six = names.family == AF_INET6;
  ::inet_ntop(six ? AF_INET6 : AF_INET, bytes, text.data(), text.size());
  return fmt::format("{}{}{}:{}", six ? "[" : "", text.data(), six ? "]" : "", port);
}

std::string_view state_text(SlotState state) {
  switch (state) {
    case SlotState::kOffered:
      return "OFFERED";
    case SlotState::kShared:
    case SlotState::kTcp:
    case SlotState::kPinned:
    case SlotState::kFree:
      return "ACTIVE";
  }
  return "ACTIVE";
}

std::string_view lane_text(std::uint32_t lane) {
  constexpr std::array<std::string_view, 3> kNames = {"tcp", "small", "big"};
  return lane < kNames.size() ? kNames[lane] : "?";
}

/// Both ends of the segment as this connection sees them, or none.
struct Ends {
  const EndRecord* mine = nullptr;
  const EndRecord* peer = nullptr;
};

Ends ends_of(const ConnectionRecord& record, const SegmentRecord* segment) {
  if (segment == nullptr || record.state != SlotState::kShared) return {};
  const bool second = segment->end[1].cookie == record.cookie;
  return {&segment->end[second ? 1 : 0], &segment->end[second ? 0 : 1]};
}

/// SHM, where a ring has really been opened; else why not.
std::string mode_text(const ConnectionRecord& record, const Ends& ends) {
  if (ends.mine != nullptr) {
    const bool folded = (ends.mine->flags & smc::kFlagFoldOutput) != 0;
    return folded ? "TCP folded back" : "SHM";
  }
  if (record.state == SlotState::kShared) return "SHM";
  const auto reason =
      record.reason == smc::FallbackReason::kNone
          ? (record.state == SlotState::kOffered ? smc::FallbackReason::kWaitingForPeer
                                                 : smc::FallbackReason::kNotEarned)
          : record.reason;
  return fmt::format("TCP {}", to_string(reason));
}

std::string buffers_text(const Ends& ends) {
  if (ends.mine == nullptr) return "-";
  return fmt::format("{}/{}", short_size(ends.peer->big_ring), short_size(ends.mine->big_ring));
}

std::string cursors_text(const Ends& ends) {
  const auto pending = [](const EndRecord& from, const EndRecord& to) {
    return from.tx_produced[0] + from.tx_produced[1] - to.rx_consumed[0] - to.rx_consumed[1];
  };
  return fmt::format(
      "         tx: lane {} position {} unread {} sends {} wake-ups {}+{} full {}\n"
      "         rx: lane {} position {} unread {} receives {}\n",
      lane_text(ends.mine->tx_lane), ends.mine->tx_position, pending(*ends.mine, *ends.peer),
      ends.mine->tx_messages, ends.mine->tx_doorbells, ends.mine->tx_futex_wakes,
      ends.mine->tx_ring_full, lane_text(ends.mine->rx_lane), ends.mine->rx_position,
      pending(*ends.peer, *ends.mine), ends.mine->rx_messages);
}

nlohmann::ordered_json end_json(const EndRecord& end) {
  return {{"tx_lane", lane_text(end.tx_lane)},
          {"tx_position", end.tx_position},
          {"tx_produced", {end.tx_produced[0], end.tx_produced[1]}},
          {"tx_messages", end.tx_messages},
          {"tx_doorbells", end.tx_doorbells},
          {"tx_futex_wakes", end.tx_futex_wakes},
          {"tx_ring_full", end.tx_ring_full},
          {"rx_lane", lane_text(end.rx_lane)},
          {"rx_position", end.rx_position},
          {"rx_consumed", {end.rx_consumed[0], end.rx_consumed[1]}},
          {"rx_messages", end.rx_messages}};
}

nlohmann::ordered_json row_json(const ConnectionRecord& record, const Ends& ends) {
  const std::string mode = mode_text(record, ends);
  nlohmann::ordered_json row{
      {"state", state_text(record.state)},
      {"uid", record.uid},
      {"pid", record.pid},
      {"program", record.program},
      {"local", address_text(record.names, record.names.local, record.names.local_port)},
      {"peer", address_text(record.names, record.names.peer, record.names.peer_port)},
      {"mode", mode.substr(0, 3)},
      {"reason",
       mode.size() > 4 ? nlohmann::ordered_json(mode.substr(4)) : nlohmann::ordered_json()},
      {"cookie", record.cookie}};
  if (ends.mine != nullptr) {
    row["sndbuf"] = ends.peer->big_ring;
    row["rcvbuf"] = ends.mine->big_ring;
    row["cursors"] = end_json(*ends.mine);
  }
  return row;
}

bool is_wanted(const ConnectionRecord& record, const SsOptions& options) {
  return options.all || record.state != SlotState::kTcp;
}

std::string table(const std::vector<std::array<std::string, 7>>& rows) {
  std::array<std::size_t, 6> widths{};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      text += fmt::format("{:<{}} ", row[i], widths[i]);
    }
    text += row[6] + "\n";
  }
  return text;
}

int show(const SsOptions& options) {
  const Result<BrokerReport> report = smc::ask_report(smc::BrokerDirectory::standard());
  if (!report) return fail("ss", report.error().message());
  std::map<std::uint64_t, const SegmentRecord*> segments;
  for (const SegmentRecord& segment : report->segments) segments[segment.token] = &segment;
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  std::vector<std::array<std::string, 7>> rows{
      {"State", "UID", "PID/Program", "Local Address", "Peer Address", "Snd/Rcv", "Mode"}};
  std::vector<std::string> details{""};
  for (const ConnectionRecord& record : report->connections) {
    if (!is_wanted(record, options)) continue;
    const auto found = segments.find(record.segment);
    const Ends ends = ends_of(record, found == segments.end() ? nullptr : found->second);
    if (options.json) {
      list.push_back(row_json(record, ends));
      continue;
    }
    rows.push_back({std::string(state_text(record.state)), std::to_string(record.uid),
                    fmt::format("{}/{}", record.pid, record.program),
                    address_text(record.names, record.names.local, record.names.local_port),
                    address_text(record.names, record.names.peer, record.names.peer_port),
                    buffers_text(ends), mode_text(record, ends)});
    details.push_back(options.details && ends.mine != nullptr ? cursors_text(ends) : "");
  }
  if (options.json) {
    fmt::print("{}\n", list.dump());
    return kSuccess;
  }
  std::string text = table(rows);
  std::size_t begin = 0;
  for (const std::string& detail : details) {
    const std::size_t end = text.find('\n', begin) + 1;
    fmt::print("{}{}", text.substr(begin, end - begin), detail);
    begin = end;
  }
  return kSuccess;
}

}  // namespace

Command add_ss(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("ss", "Connections of programs under Leat");
  const auto options = std::make_shared<SsOptions>();
  parser->add_flag("-a,--all", options->all, "Those too that have not earned shared memory yet");
  parser->add_flag("-d,--details", options->details, "Cursors and counts");
  parser->add_flag("--json", options->json, "As a JSON array, with everything");
  parser->footer(
      "Mode is SHM, or TCP and the reason. Snd/Rcv are the rings' sizes: the peer's and one's\n"
      "own. What goes through them is seen by no packet filter, no tcpdump, and no accounting.");
  return {parser, [options] { return show(*options); }};
}

}  // namespace leat::app
