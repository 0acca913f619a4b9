// Public: where the broker of a user lives.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "leat/base/result.h"
#include "leat/smc/broker_client.h"

namespace leat::smc {

/// $LEAT_DIR, or /tmp/leat-UID of the effective user. Holds
///
///     broker    the socket (0666: SO_PEERCRED and the policy decide, not the mode)
///     lock      held by the living broker
///     policy    optional: lines "allow USER USER"
///
/// Two containers that mount the same directory can share memory.
struct BrokerDirectory {
  std::string path;
  BrokerClient::Trust trust = BrokerClient::Trust::kPath;  ///< kOwner for the default directory.

  /// Of the environment.
  [[nodiscard]] static BrokerDirectory standard();
  [[nodiscard]] std::string socket() const { return path + "/broker"; }

  /// Makes the directory (0711) if there is none, and looks whether it can be trusted: a true
  /// directory of the effective user's or, where $LEAT_DIR names it, another's, which nobody else
  /// may write. EACCES, ENOTDIR, ENAMETOOLONG (the socket's path has 107 bytes), and mkdir's.
  [[nodiscard]] Result<void> prepare() const;
};

/// Whether the policy that a broker in `directory` would read lets two users share memory. An error
/// if it is one that the broker would not take.
[[nodiscard]] Result<bool> policy_allows(const BrokerDirectory& directory, uid_t one, uid_t other);

/// Whether a broker answers in `directory`; it then stays for a while. Waits 1 s at most.
[[nodiscard]] bool broker_answers(const BrokerDirectory& directory);

}  // namespace leat::smc
