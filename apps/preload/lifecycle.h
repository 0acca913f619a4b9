// Internal: descriptors that come, are doubled and go.
#pragma once

#include <cstdint>

#include "apps/preload/connection.h"
#include "apps/preload/descriptor_table.h"

namespace leat::preload {

/// A number was given out by the kernel. What the table had for it was closed behind our back, and
/// the table is doubtful from now on.
void descriptor_made(int fd, DescriptorTable::Mark mark = DescriptorTable::kUnknown);
/// The same number for something else, as this library knows.
void descriptor_replaced(int fd, DescriptorTable::Mark mark);
/// The same file, that has become something else by connect() or listen(): what it was registered
/// for in epoll sets before that stays.
void descriptor_changed(int fd, DescriptorTable::Mark mark);

/// Asks the kernel whether `fd` is still what the table has for it. True: it was another file,
/// closed past this library, and is now what it is; from then on every use of a descriptor asks
/// (see Held). One system call; errno is kept.
bool drop_if_stale(int fd);

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
