#include "leat/reactor/internal/service_thread.h"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <system_error>
#include <utility>

namespace leat::internal {

namespace {

constexpr std::size_t kThreadNameBytes = 15;

/// A new thread inherits the mask of its maker, so the maker blocks for the moment.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t blocked;
    sigfillset(&blocked);
    for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF}) {
      sigdelset(&blocked, own);
    }
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

Result<std::thread> start_service_thread(std::string name, LoopTask main) {
  const SignalsBlocked scope;
  name.resize(std::min(name.size(), kThreadNameBytes));
  try {
    return std::thread([name, body = std::move(main)] {
      ::pthread_setname_np(::pthread_self(), name.c_str());
      body();
    });
  } catch (const std::system_error& error) {
    return Error(error.code(), "start thread " + name);
  }
}

}  // namespace leat::internal
