#include "leat/host/virtio_features.h"

#include <algorithm>
#include <array>

namespace leat::host {
namespace {

struct Feature {
  int bit;
  const char* name;
};

constexpr std::array kFeatures = {
    Feature{0, "VIRTIO_NET_F_CSUM"},
    Feature{1, "VIRTIO_NET_F_GUEST_CSUM"},
    Feature{2, "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS"},
    Feature{3, "VIRTIO_NET_F_MTU"},
    Feature{5, "VIRTIO_NET_F_MAC"},
    Feature{7, "VIRTIO_NET_F_GUEST_TSO4"},
    Feature{8, "VIRTIO_NET_F_GUEST_TSO6"},
    Feature{9, "VIRTIO_NET_F_GUEST_ECN"},
    Feature{10, "VIRTIO_NET_F_GUEST_UFO"},
    Feature{11, "VIRTIO_NET_F_HOST_TSO4"},
    Feature{12, "VIRTIO_NET_F_HOST_TSO6"},
    Feature{13, "VIRTIO_NET_F_HOST_ECN"},
    Feature{14, "VIRTIO_NET_F_HOST_UFO"},
    Feature{15, "VIRTIO_NET_F_MRG_RXBUF"},
    Feature{16, "VIRTIO_NET_F_STATUS"},
    Feature{17, "VIRTIO_NET_F_CTRL_VQ"},
    Feature{18, "VIRTIO_NET_F_CTRL_RX"},
    Feature{19, "VIRTIO_NET_F_CTRL_VLAN"},
    Feature{20, "VIRTIO_NET_F_CTRL_RX_EXTRA"},
    Feature{21, "VIRTIO_NET_F_GUEST_ANNOUNCE"},
    Feature{22, "VIRTIO_NET_F_MQ"},
    Feature{23, "VIRTIO_NET_F_CTRL_MAC_ADDR"},
    Feature{24, "VIRTIO_F_NOTIFY_ON_EMPTY"},
    Feature{27, "VIRTIO_F_ANY_LAYOUT"},
    Feature{28, "VIRTIO_F_INDIRECT_DESC"},
    Feature{29, "VIRTIO_F_EVENT_IDX"},
    Feature{32, "VIRTIO_F_VERSION_1"},
    Feature{33, "VIRTIO_F_ACCESS_PLATFORM"},
    Feature{34, "VIRTIO_F_RING_PACKED"},
    Feature{35, "VIRTIO_F_IN_ORDER"},
    Feature{36, "VIRTIO_F_ORDER_PLATFORM"},
    Feature{37, "VIRTIO_F_SR_IOV"},
    Feature{38, "VIRTIO_F_NOTIFICATION_DATA"},
    Feature{39, "VIRTIO_F_NOTIF_CONFIG_DATA"},
    Feature{40, "VIRTIO_F_RING_RESET"},
    Feature{41, "VIRTIO_F_ADMIN_VQ"},
    Feature{50, "VIRTIO_NET_F_DEVICE_STATS"},
    Feature{51, "VIRTIO_NET_F_HASH_TUNNEL"},
    Feature{52, "VIRTIO_NET_F_VQ_NOTF_COAL"},
    Feature{53, "VIRTIO_NET_F_NOTF_COAL"},
    Feature{54, "VIRTIO_NET_F_GUEST_USO4"},
    Feature{55, "VIRTIO_NET_F_GUEST_USO6"},
    Feature{56, "VIRTIO_NET_F_HOST_USO"},
    Feature{57, "VIRTIO_NET_F_HASH_REPORT"},
    Feature{59, "VIRTIO_NET_F_GUEST_HDRLEN"},
    Feature{60, "VIRTIO_NET_F_RSS"},
    Feature{61, "VIRTIO_NET_F_RSC_EXT"},
    Feature{62, "VIRTIO_NET_F_STANDBY"},
    Feature{63, "VIRTIO_NET_F_SPEED_DUPLEX"},
};

}  // namespace

std::string virtio_feature_name(int bit) {
  const auto at = std::find_if(kFeatures.begin(), kFeatures.end(),
                               [&](const Feature& feature) { return feature.bit == bit; });
  return at == kFeatures.end() ? "bit " + std::to_string(bit) : std::string(at->name);
}

}  // namespace leat::host
