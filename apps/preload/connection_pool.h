// Internal: where connections of this process come from, and their slots in the family's page.
#pragma once

#include <cstddef>
#include <cstdint>

#include "apps/preload/connection.h"

namespace leat::preload {

/// Memory that is never given back, a list of free ones without a lock: usable from signal handlers
/// and in forked children at any moment.
class ConnectionPool {
 public:
  static constexpr std::uint32_t kSize = 32768;

  /// A connection with one descriptor and a slot for `cookie`; null if there is no room, which
  /// leaves the socket on TCP.
  static Connection* take(std::uint64_t cookie, bool connects);
  /// Its last use has ended.
  static void give_back(Connection& connection);

  /// The child that is about to come will hold all connections too; if it did not come, it does
  /// not.
  static void before_fork();
  static void fork_failed();
  /// In the child.
  static void forked();

  /// Calls `visit(connection)` for all that are in use.
  template <typename Visit>
  static void for_each(Visit visit) {
    for (std::uint32_t i = 0; i < high_water(); ++i) {
      if (at(i).is_in_use()) visit(at(i));
    }
  }

  static smc::ConnectionSlot* claim_slot(std::uint64_t cookie);
  static void release_slot(smc::ConnectionSlot& slot);

 private:
  static std::uint32_t high_water();
  static Connection& at(std::uint32_t index);
};

}  // namespace leat::preload
