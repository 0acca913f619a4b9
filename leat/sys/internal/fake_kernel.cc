#include "leat/sys/internal/fake_kernel.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <optional>
#include <vector>

#include "leat/base/cpu_set.h"
#include "leat/base/whole_number.h"

namespace leat::sys::internal {
namespace {

constexpr std::string_view kIrq = "/proc/irq/";
constexpr std::string_view kSysctl = "/proc/sys/net/";

std::optional<std::uint64_t> written_number(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  return whole_number<std::uint64_t>(text);
}

/// In groups of eight digits down to CPU 0, as the kernel pads them.
std::string padded_mask(const CpuSet& set, int cpus) {
  const int groups = (cpus + 31) / 32;
  std::string text;
  for (int group = groups - 1; group >= 0; --group) {
    std::uint32_t word = 0;
    for (int bit = 0; bit < 32; ++bit) word |= set.contains(group * 32 + bit) ? 1U << bit : 0;
    const int digits = group == groups - 1 ? (cpus - group * 32 + 3) / 4 : 8;
    for (int digit = digits - 1; digit >= 0; --digit) {
      text.push_back("0123456789abcdef"[(word >> (4 * digit)) & 0xf]);
    }
    if (group > 0) text.push_back(',');
  }
  return text + "\n";
}

Error refused(int number, const std::string& what) {
  return Error::from_errno(number, "write " + what);
}

}  // namespace

int FakeKernel::cpu_count() const {
  for (const char* const file :
       {"/sys/devices/system/cpu/possible", "/sys/devices/system/cpu/online"}) {
    const auto set = CpuSet::parse_list(text_in(root_["files"], file));
    if (!set || set->empty()) continue;
    int last = 0;
    for (const int cpu : *set) last = cpu;
    return last + 1;
  }
  return 1;
}

Result<void> FakeKernel::write_file(const std::string& path, std::string_view text) {
  const auto at = files().find(path);
  if (at == files().end()) return Error::from_errno(ENOENT, "open " + path);
  if (at->is_object()) {
    return Error::from_errno(static_cast<int>(number_in(*at, "error", EIO)), "open " + path);
  }
  for (const Json& begin : root_["behaviour"].value("read_only", Json::array())) {
    if (begin.is_string() && path.starts_with(begin.get_ref<const std::string&>())) {
      return Error::from_errno(EROFS, "open " + path);
    }
  }
  const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
  if (path.starts_with(kNet)) {
    if (name == "rps_cpus") return write_mask(path, text, true);
    if (name == "xps_cpus" || name == "xps_rxqs") return write_mask(path, text, false);
    if (name == "rps_flow_cnt") return write_rounded(path, text);
    if (name == "gro_flush_timeout" || name == "napi_defer_hard_irqs" || name == "threaded") {
      return write_number(path, text);
    }
  }
  if (path.starts_with(kIrq) && (name == "smp_affinity_list" || name == "smp_affinity")) {
    return write_affinity(path, text);
  }
  if (path.starts_with(kSysctl)) {
    if (name == "rps_sock_flow_entries") return write_rounded(path, text);
    if (name == "flow_limit_cpu_bitmap" || name == "rps_default_mask") {
      return write_mask(path, text, false);
    }
    std::string line(text);
    if (!line.ends_with('\n')) line.push_back('\n');
    *at = std::move(line);
    return {};
  }
  return Error::from_errno(EACCES, "open " + path);
}

Result<void> FakeKernel::write_mask(const std::string& path, std::string_view text,
                                    bool housekeeping) {
  auto set = CpuSet::parse_mask(text.substr(0, text.find('\n')));
  if (!set) return refused(EINVAL, path);
  const bool is_queues = path.ends_with("xps_rxqs");
  const int cpus = is_queues ? 32 : cpu_count();
  if (!set->empty() && !(*set - CpuSet::range(0, cpus - 1)).empty()) {
    return refused(EOVERFLOW, path);
  }
  const auto kept = CpuSet::parse_list(text_in(root_["behaviour"], "housekeeping"));
  if (housekeeping && kept && !kept->empty() && !set->empty()) {
    *set &= *kept;
    if (set->empty()) return refused(EINVAL, path);
  }
  files()[path] = padded_mask(*set, cpus);
  return {};
}

Result<void> FakeKernel::write_rounded(const std::string& path, std::string_view text) {
  const auto number = written_number(text);
  constexpr std::uint64_t kMost = std::uint64_t{1} << 29;
  if (!number || *number > kMost) return refused(EINVAL, path);
  files()[path] = std::to_string(*number == 0 ? 0 : std::bit_ceil(*number)) + "\n";
  return {};
}

Result<void> FakeKernel::write_number(const std::string& path, std::string_view text) {
  const auto number = written_number(text);
  if (!number) return refused(EINVAL, path);
  if (path.ends_with("/threaded") && *number > 1) return refused(EINVAL, path);
  files()[path] = std::to_string(*number) + "\n";
  return {};
}

Result<void> FakeKernel::write_affinity(const std::string& path, std::string_view text) {
  const std::string directory = path.substr(0, path.rfind('/') + 1);
  const std::string number = directory.substr(kIrq.size(), directory.size() - kIrq.size() - 1);
  for (const Json& managed : root_["behaviour"].value("managed_irqs", Json::array())) {
    if (managed.is_number() && std::to_string(managed.get<int>()) == number) {
      return refused(EIO, path);
    }
  }
  const std::string_view line = text.substr(0, text.find('\n'));
  auto set = path.ends_with("_list") ? CpuSet::parse_list(line) : CpuSet::parse_mask(line);
  const auto online = CpuSet::parse_list(text_in(files(), "/sys/devices/system/cpu/online"));
  if (!set) return refused(EINVAL, path);
  if (set->empty() || (online && (*set & *online).empty())) return refused(EINVAL, path);
  files()[directory + "smp_affinity_list"] = set->to_list() + "\n";
  if (files().contains(directory + "smp_affinity")) {
    files()[directory + "smp_affinity"] = padded_mask(*set, cpu_count());
  }
  return {};
}

void FakeKernel::deliver_interrupts() {
  const auto online = CpuSet::parse_list(text_in(files(), "/sys/devices/system/cpu/online"));
  std::vector<std::string> directories;
  for (const auto& [path, value] : files().items()) {
    constexpr std::string_view kEnd = "effective_affinity_list";
    if (path.starts_with(kIrq) && path.ends_with(kEnd)) {
      directories.push_back(path.substr(0, path.size() - kEnd.size()));
    }
  }
  for (const std::string& directory : directories) {
    auto asked = CpuSet::parse_list(text_in(files(), (directory + "smp_affinity_list").c_str()));
    const auto now =
        CpuSet::parse_list(text_in(files(), (directory + "effective_affinity_list").c_str()));
    if (!asked) continue;
    if (online) *asked &= *online;
    // The vector stays where it is as long as it may.
    if (asked->empty() || (now && !now->empty() && (*now - *asked).empty())) continue;
    files()[directory + "effective_affinity_list"] = std::to_string(asked->first()) + "\n";
  }
}

}  // namespace leat::sys::internal
