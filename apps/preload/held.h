// Internal: the connection behind a descriptor, held for one call.
#pragma once

#include "apps/preload/connection.h"
#include "apps/preload/descriptor_table.h"
#include "apps/preload/lifecycle.h"

namespace leat::preload {

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
