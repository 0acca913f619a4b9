// Internal: takes over the path of a Unix listener that is gone.
#pragma once

#include "leat/base/result.h"
#include "leat/base/unique_fd.h"
#include "leat/net/inet_address.h"

namespace leat::internal {

/// A socket's file outlives the socket, so a server that was killed leaves its path behind, and
/// bind() would refuse it for ever.
///
/// A path between bind() and listen() looks just as abandoned. So servers that bind the same path
/// keep each other out until they listen, by an abstract name made from the path's folder and
/// file: the kernel gives a name to one socket only, and takes it back however a process ends.
class UnixPathGuard {
 public:
  /// Keeps others out until destroyed; nothing for addresses that are no path. EADDRINUSE if
  /// another is binding the path at this moment.
  [[nodiscard]] Result<void> lock(const InetAddress& address);

  /// Removes the path if it is a socket on which nobody listens; says whether it may be free now.
  /// False for any other address. Call it with the lock held.
  [[nodiscard]] static bool remove_stale(const InetAddress& address);

 private:
  UniqueFd name_;
};

}  // namespace leat::internal
