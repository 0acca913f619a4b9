// Internal: a piece of a test in a process of its own: as another user, or under a filter.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>

#include "leat/base/unique_fd.h"

namespace leat::testing {

/// Runs `work` in a child, which then keeps the descriptor that was given to it until this object
/// is destroyed.
class ChildProcess {
 public:
  using Work = std::function<std::string(UniqueFd& keep)>;

  explicit ChildProcess(const Work& work) {
    int to_parent[2];
    int to_child[2];
    if (::pipe(to_parent) != 0 || ::pipe(to_child) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) run(work, to_parent, to_child);
    ::close(to_parent[1]);
    ::close(to_child[0]);
    control_.reset(to_child[1]);
    const UniqueFd from_child(to_parent[0]);
    char bytes[1024];
    for (;;) {
      const ssize_t count = ::read(from_child.get(), bytes, sizeof bytes);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      output_.append(bytes, static_cast<std::size_t>(count));
    }
  }
  ~ChildProcess() {
    control_.reset();
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// What `work` returned.
  [[nodiscard]] const std::string& output() const { return output_; }

 private:
  [[noreturn]] static void run(const Work& work, const int (&to_parent)[2],
                               const int (&to_child)[2]) {
    ::close(to_parent[0]);
    ::close(to_child[1]);
    UniqueFd keep;
    const std::string output = work(keep);
    const bool written = ::write(to_parent[1], output.data(), output.size()) >= 0;
    ::close(to_parent[1]);
    char byte;
    while (::read(to_child[0], &byte, 1) < 0 && errno == EINTR) {
    }
    // Nothing of the parent's, as its tests, may run its end here.
    ::_exit(written ? 0 : 1);
  }

  pid_t pid_ = -1;
  UniqueFd control_;
  std::string output_;
};

}  // namespace leat::testing
