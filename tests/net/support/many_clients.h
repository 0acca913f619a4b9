// Internal: many clients of a server of several loops, and which loop has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "support/raw_client.h"
#include "support/server_fixture.h"

namespace leat::testing {

/// Connections that each loop has accepted.
inline std::vector<std::uint64_t> accepted_by_loop(ServerFixture& fixture) {
  std::vector<std::uint64_t> counts;
  for (const NetCounters* counters : fixture.server().counters()) {
    counts.push_back(counters->accepted.load());
  }
  return counts;
}

/// To a server that echoes, each known to be accepted.
inline std::vector<RawClient> connect_many(const InetAddress& address, std::size_t count) {
  std::vector<RawClient> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.emplace_back(address);
    EXPECT_TRUE(clients.back().send("x"));
    EXPECT_EQ(clients.back().read(1), "x");
  }
  return clients;
}

}  // namespace leat::testing
