#include "leat/sys/processes.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "leat/base/whole_number.h"

namespace leat::sys {
namespace {

/// Of "socket:[4711]".
std::optional<std::uint32_t> socket_inode(std::string_view target) {
  constexpr std::string_view kBegin = "socket:[";
  if (!target.starts_with(kBegin) || !target.ends_with(']')) return std::nullopt;
  target.remove_prefix(kBegin.size());
  target.remove_suffix(1);
  return whole_number<std::uint32_t>(target);
}

Result<std::vector<Thread>> read_threads(Machine& machine, const std::string& process) {
  const auto ids = machine.list(process + "/task");
  if (!ids) return ids.error();
  std::vector<Thread> threads;
  for (const std::string& name : *ids) {
    const auto id = whole_number<int>(name);
    if (!id) continue;
    if (threads.size() == kMostThreads) break;
    const auto status = machine.read_file(process + "/task/" + name + "/status");
    if (!status) continue;  // It has ended.
    const auto allowed = CpuSet::parse_list(status_field(*status, "Cpus_allowed_list"));
    if (!allowed) continue;
    threads.push_back({.id = *id, .name = status_field(*status, "Name"), .allowed = *allowed});
  }
  std::sort(threads.begin(), threads.end(),
            [](const Thread& a, const Thread& b) { return a.id < b.id; });
  return threads;
}

}  // namespace

std::string status_field(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.starts_with(name) || line.substr(name.size()).substr(0, 1) != ":") continue;
    line.remove_prefix(name.size() + 1);
    return std::string(line.substr(std::min(line.find_first_not_of(" \t"), line.size())));
  }
  return {};
}

Result<ProcessScan> scan_processes(Machine& machine,
                                   const std::unordered_set<std::uint32_t>& inodes) {
  const auto names = machine.list("/proc");
  if (!names) return names.error();
  ProcessScan scan;
  for (const std::string& name : *names) {
    const auto pid = whole_number<int>(name);
    if (!pid) continue;
    ++scan.processes;
    const std::string process = "/proc/" + name;
    const auto comm = read_line(machine, process + "/comm");
    if (comm && *comm == "irqbalance") scan.irqbalance.push_back(*pid);
    const auto descriptors = machine.list(process + "/fd");
    if (!descriptors) {
      scan.unreadable += descriptors.error().number() == EACCES ? 1 : 0;
      continue;
    }
    SocketOwner owner;
    for (const std::string& descriptor : *descriptors) {
      const auto target = machine.read_link(process + "/fd/" + descriptor);
      const auto inode = target ? socket_inode(*target) : std::nullopt;
      const auto fd = whole_number<int>(descriptor);
      if (inode && fd && inodes.contains(*inode)) owner.sockets.push_back({*inode, *fd});
    }
    if (owner.sockets.empty()) continue;
    owner.pid = *pid;
    owner.name = comm.value_or("");
    owner.threads = reading_of(read_threads(machine, process), "CAP_SYS_PTRACE");
    scan.owners.push_back(std::move(owner));
  }
  std::sort(scan.owners.begin(), scan.owners.end(),
            [](const SocketOwner& a, const SocketOwner& b) { return a.pid < b.pid; });
  return scan;
}

}  // namespace leat::sys
