// Internal: descriptors that come, are doubled and go.
#pragma once

#include <cstdint>

#include "apps/preload/connection.h"
#include "apps/preload/descriptor_table.h"

namespace leat::preload {

/// A number was given out by the kernel. What the table had for it was closed behind our back.
void descriptor_made(int fd, DescriptorTable::Mark mark = DescriptorTable::kUnknown);
/// The same file, that has become something else by connect() or listen(): what it was registered
/// for in epoll sets before that stays.
void descriptor_changed(int fd, DescriptorTable::Mark mark);

/// `copy` is the same socket as `fd`.
void descriptor_doubled(int fd, int copy);

/// Around a call that closes `fd`. A child of vfork() closes its own descriptors, but the table is
/// its parent's: nothing happens then.
class Closing {
 public:
  /// Before: reads the doorbells away, so that the peer gets a FIN; notes a reset that is to come.
  explicit Closing(int fd);
  Closing(const Closing&) = delete;
  Closing& operator=(const Closing&) = delete;
  /// After: wakes a peer that sleeps where no FIN wakes it; lets the connection go.
  ~Closing();
  /// The call has failed: the descriptor is still what it was.
  void failed();

 private:
  int fd_;
  Connection* connection_ = nullptr;
  bool is_last_ = false;
  bool done_ = false;
};

}  // namespace leat::preload
