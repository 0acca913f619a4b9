// Internal: which socket of a group has which client, before and after a change.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "leat/net/consistent_hash_group.h"

namespace leat::testing {

/// Who has each client, by the client's port.
using Places = std::map<int, std::size_t>;

/// The share of the clients that were with others than `gone` and have changed.
inline double moved_of_the_rest(const Places& before, const Places& after, std::size_t gone) {
  double rest = 0;
  double moved = 0;
  for (const auto& [port, place] : before) {
    if (place == gone) continue;
    rest += 1;
    if (after.at(port) != place) moved += 1;
  }
  return moved / rest;
}

/// Empty if this process may load programs.
inline std::string missing_rights() {
  const auto made = ConsistentHashGroup::create(1);
  return made ? std::string() : made.error().message();
}

}  // namespace leat::testing
