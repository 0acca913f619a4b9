// Findings about sockets, their queues and the threads that may read them.

#include <algorithm>

#include <fmt/format.h>

#include "leat/host/internal/finding_rules.h"

namespace leat::host::internal {
namespace {

using Severity = Finding::Severity;

std::string place_of(const SocketEntry& entry) {
  return "socket/" + std::to_string(entry.socket.cookie);
}

void check_queues(const SocketEntry& entry, Findings& findings) {
  const sys::Socket& socket = entry.socket;
  const bool is_tcp = socket.protocol == sys::SocketProtocol::kTcp;
  // For a listening one these are the connections that wait and the most that may.
  if (is_tcp && socket.is_listening() && socket.receive_queue > socket.send_queue) {
    findings.push_back({Severity::kProblem, "accept-queue-full", place_of(entry),
                        fmt::format("{}: the accept queue is full, {} wait", socket.local.to_text(),
                                    socket.receive_queue),
                        "sysctl.net.core.somaxconn"});
  }
  if (socket.drops.value_or(0) > 0) {
    findings.push_back({Severity::kProblem, "socket-drops", place_of(entry),
                        fmt::format("{}: {} packets dropped at this socket", socket.local.to_text(),
                                    *socket.drops),
                        is_tcp ? "sysctl.net.core.somaxconn" : "sysctl.net.core.rmem_max"});
  }
}

void check_readers(const Inventory& inventory, const SocketEntry& entry, Findings& findings) {
  const int cpu = entry.incoming_cpu.value_or(-1);
  if (cpu < 0 || entry.owners.empty() || !inventory.owners) return;
  CpuSet allowed;
  for (const std::size_t i : entry.owners) {
    const sys::SocketOwner& owner = (*inventory.owners)[i];
    if (!owner.threads) return;  // One that may be right is not known.
    for (const sys::Thread& thread : *owner.threads) allowed |= thread.allowed;
  }
  if (allowed.empty() || allowed.contains(cpu)) return;
  const sys::SocketOwner& owner = (*inventory.owners)[entry.owners.front()];
  findings.push_back(
      {Severity::kWarning, "reader-elsewhere", place_of(entry),
       fmt::format("{}: packets arrive on CPU {}, but {} ({}) may only run on {}",
                   entry.socket.local.to_text(), cpu, owner.name, owner.pid, allowed.to_list()),
       ""});
}

void check_groups(const Inventory& inventory, Findings& findings) {
  if (inventory.sysctl_number("net.ipv4.tcp_migrate_req") != 0) return;
  for (const ReuseportGroup& group : inventory.groups) {
    const SocketEntry& first = (*inventory.sockets)[group.sockets.front()];
    if (first.socket.protocol != sys::SocketProtocol::kTcp) continue;
    findings.push_back({Severity::kHint, "no-migration", place_of(first),
                        fmt::format("{}: closing one of these {} listeners loses what waits in it "
                                    "(tcp_migrate_req is 0)",
                                    first.socket.local.to_text(), group.sockets.size()),
                        "sysctl.net.ipv4.tcp_migrate_req"});
  }
}

}  // namespace

void check_sockets(const Inventory& inventory, Findings& findings) {
  if (!inventory.sockets) return;
  for (const SocketEntry& entry : *inventory.sockets) {
    check_queues(entry, findings);
    check_readers(inventory, entry, findings);
  }
  check_groups(inventory, findings);
}

}  // namespace leat::host::internal
