#include "leat/base/topology.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

#include "leat/base/internal/text_cursor.h"
#include "leat/base/unique_fd.h"

namespace leat {
namespace {

using Contents = std::optional<std::string>;
using FileReader = Topology::FileReader;

/// The text of a small file, nothing if there is no such file.
Result<Contents> read_own_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) return Contents();
  if (!fd) return Error::from_errno(errno, "open " + path);
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "read " + path);
    if (n == 0) return Contents(std::move(text));
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

Error in_file(const std::string& path, const Error& error) {
  return Error(error.code(), path + ": " + error.context());
}

Result<CpuSet> read_list(const FileReader& read_if_there, const std::string& path,
                         const CpuSet& if_missing) {
  auto text = read_if_there(path);
  if (!text) return text.error();
  if (!*text) return if_missing;
  auto set = CpuSet::parse_list(**text);
  if (!set) return in_file(path, set.error());
  return set;
}

/// A number alone in its file. The kernel writes -1 for what it does not know.
Result<int> read_number(const FileReader& read_if_there, const std::string& path, int if_missing) {
  auto text = read_if_there(path);
  if (!text) return text.error();
  if (!*text) return if_missing;
  internal::TextCursor cursor("number", **text);
  if (cursor.take("-1\n")) return if_missing;
  const auto number = cursor.take_number("a number", 0x7fff'ffff);
  if (!number) return in_file(path, number.error());
  cursor.take('\n');
  if (!cursor.at_end()) return in_file(path, cursor.error("unexpected text"));
  return static_cast<int>(*number);
}

Result<Topology::Cpu> read_cpu(const FileReader& files, const std::string& directory, int number,
                               const CpuSet& online) {
  const std::string topology = directory + "/cpu" + std::to_string(number) + "/topology/";
  const auto package = read_number(files, topology + "physical_package_id", 0);
  if (!package) return package.error();
  const auto core = read_number(files, topology + "core_id", number);
  if (!core) return core.error();
  auto siblings = read_list(files, topology + "thread_siblings_list", CpuSet::of(number));
  if (!siblings) return siblings.error();
  *siblings &= online;
  siblings->add(number);
  return Topology::Cpu{.number = number,
                       .package = *package,
                       .core = *core,
                       .node = 0,
                       .siblings = std::move(*siblings)};
}

/// NUMA nodes are numbered like CPUs and listed in the same form.
Result<void> read_nodes(const FileReader& files, const std::string& directory,
                        std::vector<Topology::Cpu>& cpus) {
  const auto nodes = read_list(files, directory + "/online", CpuSet());
  if (!nodes) return nodes.error();
  for (const int node : *nodes) {
    const std::string path = directory + "/node" + std::to_string(node) + "/cpulist";
    const auto members = read_list(files, path, CpuSet());
    if (!members) return members.error();
    for (Topology::Cpu& cpu : cpus) {
      if (members->contains(cpu.number)) cpu.node = node;
    }
  }
  return {};
}

}  // namespace

Result<Topology> Topology::read(const std::string& sysfs_root) {
  return read(sysfs_root, read_own_file, CpuSet::available);
}

Result<Topology> Topology::read(const std::string& sysfs_root, const FileReader& read_if_there,
                                const std::function<Result<CpuSet>()>& otherwise) {
  const std::string devices = sysfs_root + "/devices/system";
  Topology topology;
  auto online = read_list(read_if_there, devices + "/cpu/online", CpuSet());
  if (online && online->empty()) online = otherwise();
  if (!online) return online.error();
  topology.online = std::move(*online);
  for (const int number : topology.online) {
    auto cpu = read_cpu(read_if_there, devices + "/cpu", number, topology.online);
    if (!cpu) return cpu.error();
    topology.cpus.push_back(std::move(*cpu));
  }
  if (auto nodes = read_nodes(read_if_there, devices + "/node", topology.cpus); !nodes) {
    return nodes.error();
  }
  return topology;
}

const Topology::Cpu* Topology::find(int cpu) const {
  const auto at = std::lower_bound(cpus.begin(), cpus.end(), cpu,
                                   [](const Cpu& a, int b) { return a.number < b; });
  return at != cpus.end() && at->number == cpu ? &*at : nullptr;
}

CpuSet Topology::physical_cores(const CpuSet& among) const {
  CpuSet cores;
  for (const Cpu& cpu : cpus) {
    const CpuSet usable = cpu.siblings & among;
    if (!usable.empty() && usable.first() == cpu.number) cores.add(cpu.number);
  }
  return cores;
}

CpuSet Topology::on_node(int node) const {
  CpuSet set;
  for (const Cpu& cpu : cpus) {
    if (cpu.node == node) set.add(cpu.number);
  }
  return set;
}

}  // namespace leat
