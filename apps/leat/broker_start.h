// Internal: a broker in the background.
#pragma once

#include "leat/base/result.h"
#include "leat/smc/broker_directory.h"

namespace leat::app {

/// Sees that a broker answers in `directory`: starts `leat smc broker` detached (its own session,
/// none of our descriptors, no child of ours) if none does, and waits until it listens, some
/// seconds at most. True if it has started one. `stay`: it never ends by itself. The error's
/// context is what the broker said.
Result<bool> start_broker(const smc::BrokerDirectory& directory, bool stay);

}  // namespace leat::app
