// Internal: as many descriptors as this process may have.
#pragma once

namespace leat::app {

/// Raises the soft limit of open descriptors to the hard one: the soft default of 1024 is for
/// programs that use select(). Cannot fail in a way that matters; the limit then stays.
void raise_descriptor_limit();

}  // namespace leat::app
