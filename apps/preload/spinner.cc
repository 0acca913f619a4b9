#include "apps/preload/spinner.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "leat/smc/internal/raw_syscall.h"

namespace leat::preload {

constinit std::uint64_t Spinner::longest_ = smc::SpinBudget::kDefaultLongest;
constinit std::atomic<std::uint32_t> Spinner::spinning_{0};

namespace {

using smc::internal::raw_argument;
using smc::internal::raw_syscall;

constexpr std::int64_t kAskEvery = 100'000'000;
/// A thread that has a CPU to itself is put off it now and then by the kernel's own threads; one
/// that shares it, several times in such a while.
constexpr std::int64_t kCountSwitchesEvery = 20'000'000;
constexpr std::int64_t kContendedFor = 60'000'000;
constexpr long kManySwitches = 3;

constinit std::atomic<std::int64_t> asked{0};
constinit std::atomic<std::uint32_t> allowed{1};
constinit std::uint32_t quota_millicpus = 0;

/// The file's beginning as a string; empty if there is none.
void read_file(const char* path, char* to, std::size_t size) {
  to[0] = '\0';
  const long fd = raw_syscall(SYS_openat, AT_FDCWD, raw_argument(path), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  const long got = raw_syscall(SYS_read, fd, raw_argument(to), static_cast<long>(size - 1));
  raw_syscall(SYS_close, fd);
  to[got > 0 ? got : 0] = '\0';
}

// cpu.max: "QUOTA PERIOD" in microseconds, or "max PERIOD" (admin-guide/cgroup-v2.rst).
std::uint32_t quota_of(const char* path) {
  char text[64];
  read_file(path, text, sizeof text);
  char* rest = nullptr;
  const unsigned long quota = std::strtoul(text, &rest, 10);
  if (rest == text) return 0;
  const unsigned long period = std::strtoul(rest, nullptr, 10);
  if (quota == 0 || period == 0) return 0;
  return static_cast<std::uint32_t>(quota * 1000 / period);
}

// The tightest of the cgroup and those above it. Within a container its own is the root.
std::uint32_t tightest_quota() {
  char group[512];
  read_file("/proc/self/cgroup", group, sizeof group);
  char* at = std::strstr(group, "0::");
  char path[600] = "/sys/fs/cgroup";
  const std::size_t root = std::strlen(path);
  if (at != nullptr) {
    at += 3;
    at[std::strcspn(at, "\n")] = '\0';
    std::strncat(path, at, sizeof group);
  }
  std::uint32_t tightest = 0;
  for (;;) {
    const std::size_t end = std::strlen(path);
    std::strncat(path, "/cpu.max", sizeof path - end - 1);
    const std::uint32_t quota = quota_of(path);
    if (quota != 0 && (tightest == 0 || quota < tightest)) tightest = quota;
    path[end] = '\0';
    if (end <= root) return tightest;
    *std::strrchr(path, '/') = '\0';
  }
}

}  // namespace

void Spinner::configure() {
  if (const char* text = std::getenv("LEAT_SPIN"); text != nullptr) {
    char* end = nullptr;
    const unsigned long microseconds = std::strtoul(text, &end, 10);
    if (std::strcmp(text, "off") == 0) {
      longest_ = 0;
    } else if (end != text && *end == '\0' && microseconds <= 1'000'000) {
      longest_ = microseconds * 1000;
    }
  }
  if (longest_ != 0) quota_millicpus = tightest_quota();
}

smc::SpinBudget& Spinner::of_thread() {
  // Made by hand, as its limit is not known when the thread's memory is laid out.
  alignas(smc::SpinBudget) static thread_local char place[sizeof(smc::SpinBudget)];
  static thread_local bool is_made = false;
  if (!is_made) {
    is_made = true;
    new (place) smc::SpinBudget(longest_);
  }
  return *std::launder(reinterpret_cast<smc::SpinBudget*>(place));
}

// What a spin on a shared CPU gains is taken from whoever waits for it, the peer as likely as not.
// A spin is too short to notice by itself that it was in the way.
bool Spinner::is_contended(std::int64_t now) {
  struct Switches {
    std::int64_t counted_at = 0;
    std::int64_t contended_until = 0;
    long count = 0;
  };
  static constinit thread_local Switches seen;
  const std::int64_t past = now - seen.counted_at;
  if (past > kCountSwitchesEvery) {
    rusage usage{};
    raw_syscall(SYS_getrusage, RUSAGE_THREAD, raw_argument(&usage));
    const long more = usage.ru_nivcsw - seen.count;
    if (more * kCountSwitchesEvery >= kManySwitches * past) {
      seen.contended_until = now + kContendedFor;
    }
    seen.count = usage.ru_nivcsw;
    seen.counted_at = now;
  }
  return now < seen.contended_until;
}

smc::SpinConditions Spinner::conditions(std::int64_t now) {
  if (now - asked.load(std::memory_order_relaxed) > kAskEvery) {
    asked.store(now, std::memory_order_relaxed);
    unsigned long mask[128] = {};
    const long bytes = raw_syscall(SYS_sched_getaffinity, 0, sizeof mask, raw_argument(mask));
    std::uint32_t count = 0;
    for (long i = 0; i < bytes / static_cast<long>(sizeof mask[0]); ++i) {
      count += static_cast<std::uint32_t>(__builtin_popcountl(mask[i]));
    }
    allowed.store(count, std::memory_order_relaxed);
  }
  return {allowed.load(std::memory_order_relaxed), quota_millicpus,
          spinning_.load(std::memory_order_relaxed)};
}

}  // namespace leat::preload
