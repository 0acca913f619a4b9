#include "apps/leat/broker_start.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/base/unique_fd.h"

namespace leat::app {

namespace {

constexpr Duration kPatience = std::chrono::seconds(5);

/// In the grandchild: becomes the broker. Its messages go to `report` until it listens.
[[noreturn]] void become_broker(const smc::BrokerDirectory& directory, bool stay, int report) {
  ::setsid();
  const int nothing = ::open("/dev/null", O_RDWR);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(nothing, STDOUT_FILENO);
  ::dup2(report, STDERR_FILENO);
  ::close_range(3, ~0U, 0);
  // A relative path would end here. It was made absolute before.
  if (::chdir("/") != 0) ::_exit(1);
  // NOLINTBEGIN(concurrency-mt-unsafe): one thread.
  ::unsetenv("LD_PRELOAD");
  if (directory.trust == smc::BrokerClient::Trust::kPath) {
    ::setenv("LEAT_DIR", directory.path.c_str(), 1);
  }
  // NOLINTEND(concurrency-mt-unsafe)
  std::vector<const char*> words{"leat", "smc", "broker", "--foreground", "--detach"};
  if (stay) words.push_back("--stay");
  words.push_back(nullptr);
  ::execv("/proc/self/exe", const_cast<char* const*>(words.data()));
  ::_exit(1);
}

/// What comes from `fd` until everyone has closed it, or for kPatience.
std::string read_to_end(int fd) {
  const MonotonicTime until = monotonic_now() + kPatience;
  std::string text;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - monotonic_now());
    pollfd wanted{.fd = fd, .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || ::poll(&wanted, 1, static_cast<int>(left.count())) == 0) {
      return "it has not started within 5 s";
    }
    std::array<char, 512> bytes{};
    const ssize_t got = ::read(fd, bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

Result<bool> start_broker(const smc::BrokerDirectory& directory, bool stay) {
  if (const Result<void> prepared = directory.prepare(); !prepared) return prepared.error();
  if (smc::broker_answers(directory)) return false;
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error::from_errno(errno, "pipe2");
  const UniqueFd heard(ends[0]);
  UniqueFd report(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return Error::from_errno(errno, "fork");
  if (child == 0) {
    if (::fork() == 0) become_broker(directory, stay, report.get());
    ::_exit(0);
  }
  report.reset();
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  std::string said = read_to_end(heard.get());
  // Another `leat run` may have been quicker.
  if (smc::broker_answers(directory)) return said.empty();
  while (!said.empty() && said.back() == '\n') said.pop_back();
  return Error::from_errno(ECHILD, said.empty() ? "the broker has ended" : said);
}

}  // namespace leat::app
