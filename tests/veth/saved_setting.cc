#include "veth/saved_setting.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <thread>

#include <fmt/format.h>

namespace leat::testing {
namespace {

using namespace std::chrono_literals;

std::string failed(const char* what, const char* path) {
  return fmt::format("{} {}: {}", what, path, std::strerror(errno));
}

bool write_at_start(int file, std::string_view value) {
  return ::pwrite(file, value.data(), value.size(), 0) == static_cast<ssize_t>(value.size());
}

/// The process that puts the value back. Only calls that are safe after fork() in a process with
/// threads.
[[noreturn]] void keep(int file, int alive, std::string_view value) {
  ::setsid();
  if (::fork() != 0) ::_exit(0);  // The parent of what stays is then the system's first process.
  char byte;
  while (::read(alive, &byte, 1) < 0 && errno == EINTR) {
  }
  write_at_start(file, value);
  ::_exit(0);  // Closes its end of restored_.
}

}  // namespace

std::unique_ptr<SavedSetting> SavedSetting::create(const char* path, std::string& why) {
  std::unique_ptr<SavedSetting> setting(new SavedSetting);
  why = setting->start(path);
  if (!why.empty()) setting.reset();
  return setting;
}

std::string SavedSetting::start(const char* path) {
  file_ = UniqueFd(::open(path, O_RDWR | O_CLOEXEC));
  if (!file_) return failed("opening", path);
  const auto patience = std::chrono::steady_clock::now() + 1min;
  while (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK || std::chrono::steady_clock::now() > patience) {
      return failed("waiting for another program that uses", path);
    }
    std::this_thread::sleep_for(20ms);
  }
  std::array<char, 256> value{};
  const ssize_t size = ::pread(file_.get(), value.data(), value.size(), 0);
  if (size <= 0) return failed("reading", path);
  std::array<int, 2> alive{};
  std::array<int, 2> restored{};
  if (::pipe2(alive.data(), O_CLOEXEC) != 0) return failed("a pipe for", path);
  alive_ = UniqueFd(alive[1]);
  const UniqueFd alive_read(alive[0]);
  if (::pipe2(restored.data(), O_CLOEXEC) != 0) return failed("a pipe for", path);
  restored_ = UniqueFd(restored[0]);
  const UniqueFd restored_write(restored[1]);
  const pid_t child = ::fork();
  if (child < 0) return failed("a process for", path);
  if (child == 0) {
    ::close(alive[1]);
    ::close(restored[0]);
    keep(file_.get(), alive[0], {value.data(), static_cast<std::size_t>(size)});
  }
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return "";
}

SavedSetting::~SavedSetting() {
  alive_.reset();
  char byte;
  while (restored_ && ::read(restored_.get(), &byte, 1) < 0 && errno == EINTR) {
  }
}

bool SavedSetting::set(const std::string& value) {
  return write_at_start(file_.get(), value);
}

}  // namespace leat::testing
