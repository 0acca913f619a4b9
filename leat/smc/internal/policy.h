// Internal: which users may share memory with which.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "leat/base/result.h"

namespace leat::smc::internal {

/// The same user always may; a policy file allows more. Its lines are
///
///     # a comment
///     allow USER USER       names of the password database, or numbers
///
/// An allowance goes both ways.
class Policy {
 public:
  /// EINVAL with the line's number if a line is not as above, or names an unknown user.
  static Result<Policy> parse(std::string_view text);
  /// Reads `path`; an empty policy if there is none. EACCES if it may be written by somebody else
  /// than `owner` or root.
  static Result<Policy> load(const std::string& path, uid_t owner);

  [[nodiscard]] bool allows(uid_t one, uid_t other) const;
  /// Whether any line names `user`.
  [[nodiscard]] bool knows(uid_t user) const;

 private:
  std::set<std::pair<uid_t, uid_t>> pairs_;  ///< The smaller first.
};

}  // namespace leat::smc::internal
