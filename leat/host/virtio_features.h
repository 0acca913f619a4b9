// Public: names of the feature bits of a virtio network device.
#pragma once

#include <string>

namespace leat::host {

/// "VIRTIO_NET_F_MQ" for 22; "bit 21" for one that has no name. Virtio 1.4, 5.1.3 and 6.
[[nodiscard]] std::string virtio_feature_name(int bit);

}  // namespace leat::host
