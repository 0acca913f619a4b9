// Internal: a call of the kernel's own on a connection, during which lanes do not change.
#pragma once

#include "apps/preload/connection.h"

namespace leat::preload {

/// Counts this thread in the family's page for as long as it is inside the kernel. Nobody opens the
/// input for rings while somebody reads natively, nobody leaves TCP while somebody writes natively.
class NativeScope {
 public:
  explicit NativeScope(std::atomic<std::uint32_t>& count) : count_(count) {
    count_.fetch_add(1, std::memory_order_seq_cst);
  }
  NativeScope(const NativeScope&) = delete;
  NativeScope& operator=(const NativeScope&) = delete;
  ~NativeScope() { count_.fetch_sub(1, std::memory_order_seq_cst); }

 private:
  std::atomic<std::uint32_t>& count_;
};

/// Whether input comes by spans: then nobody may read the socket but by look(). Asked inside a
/// scope, after it has counted.
inline bool input_is_open(Connection& connection) {
  return connection.is_shared() &&
         (connection.mine().flags.load(std::memory_order_seq_cst) & smc::kFlagInputReady) != 0;
}

/// `call()` within a scope of readers, if input does not come by spans; else false.
template <typename Call>
bool read_natively(Connection& connection, int fd, Call call, ssize_t& result) {
  {
    const NativeScope scope(connection.slot()->native_readers);
    if (!connection.is_shared() && connection.attach_if_family_did(fd)) return false;
    if (input_is_open(connection)) return false;
    result = call();
  }
  connection.note_input(fd, result > 0 ? static_cast<std::size_t>(result) : 0);
  return true;
}

}  // namespace leat::preload
