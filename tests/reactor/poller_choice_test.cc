// Which poller a loop gets, and what is said of it.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/logging.h"
#include "leat/base/unique_fd.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/poller.h"

#include "tests/net/support/child_process.h"
#include "tests/reactor/system_call_filter.h"

namespace leat {
namespace {

using testing::ChildProcess;

/// LEAT_POLLER, put back afterwards.
class Environment {
 public:
  explicit Environment(const char* value) {
    if (const char* before = std::getenv("LEAT_POLLER")) before_ = before;
    value == nullptr ? ::unsetenv("LEAT_POLLER") : ::setenv("LEAT_POLLER", value, 1);
  }
  ~Environment() {
    before_ ? ::setenv("LEAT_POLLER", before_->c_str(), 1) : ::unsetenv("LEAT_POLLER");
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::optional<std::string> before_;
};

bool has_uring() {
  return Poller::create(PollerKind::kUring).has_value();
}

/// Says what a loop of that kind waits by, after using it.
std::string use(PollerKind kind) {
  Result<std::unique_ptr<EventLoop>> loop = EventLoop::create({.name = "test", .poller = kind});
  if (!loop) return "error " + std::to_string(loop.error().number()) + " " + loop.error().message();
  int ran = 0;
  (*loop)->run_after(std::chrono::milliseconds(1), [&] {
    ++ran;
    (*loop)->quit();
  });
  const Result<void> looped = (*loop)->loop();
  if (!looped) return looped.error().message();
  return std::string((*loop)->poller().name()) + (ran == 1 ? "" : ", but it does not work");
}

TEST(PollerChoice, TheEnvironmentDecides) {
  const char* best = has_uring() ? "io_uring" : "epoll";
  {
    const Environment unset(nullptr);
    EXPECT_EQ(use(PollerKind::kDefault), best);
  }
  {
    const Environment empty("");
    EXPECT_EQ(use(PollerKind::kDefault), best);
  }
  {
    const Environment epoll("epoll");
    EXPECT_EQ(use(PollerKind::kDefault), "epoll");
  }
  if (!has_uring()) GTEST_SKIP() << "no io_uring here";
  for (const char* name : {"uring", "io_uring"}) {
    const Environment uring(name);
    EXPECT_EQ(use(PollerKind::kDefault), "io_uring");
  }
}

TEST(PollerChoice, TheProgramOverridesTheEnvironment) {
  const Environment uring("uring");
  EXPECT_EQ(use(PollerKind::kEpoll), "epoll");
  const Environment wrong("kqueue");
  EXPECT_EQ(use(PollerKind::kEpoll), "epoll");
}

TEST(PollerChoice, AnUnknownNameIsAnErrorThatShowsIt) {
  for (const char* name : {"kqueue", "EPOLL", "uring "}) {
    const Environment wrong(name);
    const auto loop = EventLoop::create();
    ASSERT_FALSE(loop);
    EXPECT_EQ(loop.error().number(), EINVAL);
    EXPECT_NE(loop.error().message().find("LEAT_POLLER"), std::string::npos);
    EXPECT_NE(loop.error().message().find(name), std::string::npos) << loop.error().message();
  }
}

/// What the log says of pollers.
class Log {
 public:
  Log() {
    set_log_level(LogLevel::kInfo);
    set_log_sink([this](const LogRecord& record) {
      if (record.message.find("event loops wait by") == std::string_view::npos) return;
      lines_ += std::string(record.message) + "\n";
      ++count_;
    });
  }
  [[nodiscard]] std::string report() const { return std::to_string(count_) + " " + lines_; }

 private:
  std::string lines_;
  int count_ = 0;
};

/// In a process of its own: a filter stays, and what is said once was not said before.
std::string in_child(const std::function<std::string()>& work) {
  return ChildProcess([&work](UniqueFd&) { return work(); }).output();
}

struct Denial {
  std::vector<long> calls;
  int error;
};

class PollerDenied : public ::testing::TestWithParam<Denial> {
 protected:
  static bool deny() {
    const Denial& denial = GetParam();
    return std::all_of(denial.calls.begin(), denial.calls.end(),
                       [&](long call) { return test::deny_system_calls({call}, denial.error); });
  }
};

TEST_P(PollerDenied, ToDemandItFailsAndSaysWhy) {
  const std::string said = in_child([] {
    if (!deny()) return std::string("no filters");
    return use(PollerKind::kUring);
  });
  if (said == "no filters") GTEST_SKIP() << "seccomp filters cannot be installed here";
  EXPECT_EQ(said.find("error " + std::to_string(GetParam().error) + " "), 0u) << said;
  EXPECT_NE(said.find("io_uring"), std::string::npos) << said;
}

TEST_P(PollerDenied, TheLoopThatMayDoWithoutUsesEpollAndSaysSoOnce) {
  const std::string said = in_child([] {
    if (!deny()) return std::string("no filters");
    Log log;
    std::string result;
    for (int i = 0; i < 3; ++i) result += use(PollerKind::kUringIfPossible) + " ";
    std::thread([&] { result += use(PollerKind::kUringIfPossible); }).join();
    return result + "\n" + log.report();
  });
  if (said == "no filters") GTEST_SKIP() << "seccomp filters cannot be installed here";
  EXPECT_EQ(said.find("epoll epoll epoll epoll\n1 event loops wait by epoll; io_uring"), 0u)
      << said;
}

INSTANTIATE_TEST_SUITE_P(
    Calls, PollerDenied,
    ::testing::Values(
        // A kernel without it, a container's profile, and profiles that know only part of it.
        Denial{{SYS_io_uring_setup}, ENOSYS}, Denial{{SYS_io_uring_setup}, EPERM},
        Denial{{SYS_io_uring_register}, EPERM}, Denial{{SYS_io_uring_enter}, EPERM},
        Denial{{SYS_io_uring_setup, SYS_io_uring_register, SYS_io_uring_enter}, EACCES}));

TEST(PollerChoice, WhereItIsPossibleItIsUsedAndSaidOnce) {
  if (!has_uring()) GTEST_SKIP() << "no io_uring here";
  const std::string said = in_child([] {
    Log log;
    std::string result;
    for (int i = 0; i < 3; ++i) result += use(PollerKind::kUringIfPossible) + " ";
    return result + "\n" + log.report();
  });
  EXPECT_EQ(said.find("io_uring io_uring io_uring \n1 event loops wait by io_uring"), 0u) << said;
}

TEST(PollerChoice, TheOneThatIsDeniedLaterIsSaidToo) {
  if (!has_uring()) GTEST_SKIP() << "no io_uring here";
  const std::string said = in_child([] {
    Log log;
    std::string result = use(PollerKind::kUringIfPossible) + " ";
    if (!test::deny_system_calls({SYS_io_uring_setup}, EPERM)) return std::string("no filters");
    for (int i = 0; i < 2; ++i) result += use(PollerKind::kUringIfPossible) + " ";
    return result + "\n" + log.report();
  });
  if (said == "no filters") GTEST_SKIP() << "seccomp filters cannot be installed here";
  EXPECT_EQ(said.find("io_uring epoll epoll \n2 "), 0u) << said;
}

/// Descriptors that this process has.
std::size_t descriptors() {
  std::size_t count = 0;
  for (int fd = 0; fd < 512; ++fd) count += ::fcntl(fd, F_GETFD) != -1 ? 1U : 0U;
  return count;
}

TEST(PollerChoice, WithoutDescriptorsItFailsAndLeavesNoneBehind) {
  if (!has_uring()) GTEST_SKIP() << "no io_uring here";
  const std::string said = in_child([]() -> std::string {
    constexpr rlimit kFew{.rlim_cur = 64, .rlim_max = 4096};
    if (::setrlimit(RLIMIT_NOFILE, &kFew) != 0) return "no limit";
    std::vector<UniqueFd> others;
    while (others.empty() || others.back()) others.emplace_back(::dup(STDERR_FILENO));
    others.pop_back();
    for (int failed = 0; !others.empty(); ++failed) {
      const std::size_t before = descriptors();
      const auto loop = EventLoop::create({.poller = PollerKind::kUring});
      if (loop) return failed > 1 ? "fine" : "not limited";
      if (loop.error().number() != EMFILE) return loop.error().message();
      if (descriptors() != before) return "left behind";
      others.pop_back();
    }
    return "never enough";
  });
  EXPECT_EQ(said, "fine");
}

/// Empty if the memory of the process ran out before the kernel was asked.
std::optional<Result<std::unique_ptr<Poller>>> try_to_make_uring() {
  try {
    return Poller::create(PollerKind::kUring);
  } catch (const std::bad_alloc&) {
    return std::nullopt;
  }
}

TEST(PollerChoice, WithoutAddressSpaceItFailsAndLeavesNothingBehind) {
  if (!has_uring()) GTEST_SKIP() << "no io_uring here";
  const std::string said = in_child([]() -> std::string {
    const std::size_t before = descriptors();
    std::size_t pages = 0;
    if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
      if (std::fscanf(file, "%zu", &pages) != 1) pages = 0;
      std::fclose(file);
    }
    if (pages == 0 || pages > (64ULL << 30) / 4096) return "a sanitizer's address space";
    int failed = 0;
    // The ring needs two mappings, its memory another two.
    for (std::size_t more = 0; more < 4u << 20; more += 64u << 10) {
      const rlimit little{.rlim_cur = pages * 4096 + more, .rlim_max = RLIM_INFINITY};
      if (::setrlimit(RLIMIT_AS, &little) != 0) return "no limit";
      const std::optional<Result<std::unique_ptr<Poller>>> made = try_to_make_uring();
      const rlimit enough{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
      ::setrlimit(RLIMIT_AS, &enough);
      if (!made) continue;
      const Result<std::unique_ptr<Poller>>& poller = *made;
      if (poller) break;
      if (poller.error().number() != ENOMEM) return poller.error().message();
      if (descriptors() != before) return "left behind";
      ++failed;
    }
    return failed > 2 && descriptors() == before ? "fine" : "not limited";
  });
  if (said.find("sanitizer") != std::string::npos) GTEST_SKIP() << said;
  EXPECT_EQ(said, "fine");
}

}  // namespace
}  // namespace leat
