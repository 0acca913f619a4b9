// Internal: one request to the broker.
#pragma once

#include "leat/smc/broker_client.h"
#include "leat/smc/internal/broker_protocol.h"

namespace leat::smc::internal {

/// What all of BrokerClient's calls do, and what its class comment says of them.
[[nodiscard]] Answer ask_broker(const char* path, BrokerClient::Trust trust,
                                const Request& request);

}  // namespace leat::smc::internal
