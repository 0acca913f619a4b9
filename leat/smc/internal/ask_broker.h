// Internal: one request to the broker.
#pragma once

#include <span>

#include "leat/smc/broker_client.h"
#include "leat/smc/internal/broker_protocol.h"

namespace leat::smc::internal {

/// What all of BrokerClient's calls do, and what its class comment says of them. `passed`: at most
/// three descriptors that go along.
[[nodiscard]] Answer ask_broker(const char* path, BrokerClient::Trust trust, const Request& request,
                                std::span<const int> passed = {});

}  // namespace leat::smc::internal
