#include "bench/net/server_meter.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace leat::bench {

namespace {

std::uint64_t cpu_time_of(pid_t pid) {
  clockid_t clock;
  timespec time{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return 0;
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(time.tv_nsec);
}

int open_counter(pid_t thread, std::uint64_t event) {
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_HARDWARE;
  attributes.size = sizeof attributes;
  attributes.config = event;
  return static_cast<int>(
      ::syscall(SYS_perf_event_open, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC));
}

using Count = std::optional<std::uint64_t>;

std::string difference(const Count& before, const Count& after) {
  return before && after ? std::to_string(*after - *before) : "null";
}

}  // namespace

std::string difference_as_json(const ServerUse& before, const ServerUse& after) {
  std::string text = "{\"cpu_ns\": ";
  text += difference(before.cpu_ns, after.cpu_ns);
  text += ", \"waits\": ";
  text += difference(before.waits, after.waits);
  text += ", \"preemptions\": ";
  text += difference(before.preemptions, after.preemptions);
  text += ", \"cycles\": ";
  text += difference(before.cycles, after.cycles);
  text += ", \"instructions\": ";
  text += difference(before.instructions, after.instructions);
  text += ", \"cache_misses\": ";
  text += difference(before.cache_misses, after.cache_misses);
  text += "}";
  return text;
}

ServerMeter::ServerMeter(pid_t pid)
    : pid_(pid),
      cycles_(open_counters(PERF_COUNT_HW_CPU_CYCLES)),
      instructions_(open_counters(PERF_COUNT_HW_INSTRUCTIONS)),
      cache_misses_(open_counters(PERF_COUNT_HW_CACHE_MISSES)) {}

ServerMeter::~ServerMeter() {
  for (const Counters* counters : {&cycles_, &instructions_, &cache_misses_}) {
    for (const int counter : *counters) ::close(counter);
  }
}

std::vector<pid_t> ServerMeter::threads() const {
  std::vector<pid_t> found;
  std::error_code ignored;
  const std::filesystem::path folder = "/proc/" + std::to_string(pid_) + "/task";
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    found.push_back(std::atoi(entry.path().filename().c_str()));
  }
  return found;
}

ServerMeter::Counters ServerMeter::open_counters(std::uint64_t event) const {
  Counters counters;
  for (const pid_t thread : threads()) {
    const int counter = open_counter(thread, event);
    if (counter < 0) {
      for (const int opened : counters) ::close(opened);
      return {};
    }
    counters.push_back(counter);
  }
  return counters;
}

std::optional<std::uint64_t> ServerMeter::sum(const Counters& counters) {
  if (counters.empty()) return std::nullopt;
  std::uint64_t total = 0;
  for (const int counter : counters) {
    std::uint64_t value = 0;
    if (::read(counter, &value, sizeof value) != sizeof value) return std::nullopt;
    total += value;
  }
  return total;
}

ServerUse ServerMeter::read() const {
  ServerUse use;
  for (const pid_t thread : threads()) {
    std::ifstream status("/proc/" + std::to_string(pid_) + "/task/" + std::to_string(thread) +
                         "/status");
    std::string word;
    while (status >> word) {
      std::uint64_t value = 0;
      if (word == "voluntary_ctxt_switches:" && status >> value) use.waits += value;
      if (word == "nonvoluntary_ctxt_switches:" && status >> value) use.preemptions += value;
    }
  }
  use.cycles = sum(cycles_);
  use.instructions = sum(instructions_);
  use.cache_misses = sum(cache_misses_);
  use.cpu_ns = cpu_time_of(pid_);
  return use;
}

}  // namespace leat::bench
