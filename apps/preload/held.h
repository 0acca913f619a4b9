// Internal: the connection behind a descriptor, held for one call.
#pragma once

#include <pthread.h>
#include <sys/single_threaded.h>

#include "apps/preload/connection.h"
#include "apps/preload/descriptor_table.h"
#include "apps/preload/lifecycle.h"

namespace leat::preload {

/// In front of what is a cancellation point of the C library's: a call that is served from a ring
/// makes none of its system calls. Holds nothing.
inline void cancellation_point() {
  if (__libc_single_threaded == 0) pthread_testcancel();
}

/// Another thread may close the descriptor while this one comes: found, held, and found again, it
/// is the right one.
class Held {
 public:
  explicit Held(int fd) {
    if (DescriptorTable::is_doubtful()) [[unlikely]] {
      (void)drop_if_stale(fd);
    }
    for (Connection* found = DescriptorTable::find(fd); found != nullptr;) {
      const bool inside = found->try_enter();
      Connection* const now = DescriptorTable::known(fd);
      if (inside && now == found) {
        connection_ = found;
        return;
      }
      if (inside) found->leave();
      found = now;
    }
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    if (connection_ != nullptr) connection_->leave();
  }
  explicit operator bool() const { return connection_ != nullptr; }
  Connection& operator*() const { return *connection_; }
  Connection* operator->() const { return connection_; }

 private:
  Connection* connection_ = nullptr;
};

}  // namespace leat::preload
