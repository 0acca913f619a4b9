#include "leat/sys/internal/attribute_schema.h"

#include <algorithm>

namespace leat::sys::internal {
namespace {

constexpr AttributeSchema kRings[] = {
    {2, AttributeKind::kU32, "rx-max"},
    {3, AttributeKind::kU32, "rx-mini-max"},
    {4, AttributeKind::kU32, "rx-jumbo-max"},
    {5, AttributeKind::kU32, "tx-max"},
    {6, AttributeKind::kU32, "rx"},
    {7, AttributeKind::kU32, "rx-mini"},
    {8, AttributeKind::kU32, "rx-jumbo"},
    {9, AttributeKind::kU32, "tx"},
    {10, AttributeKind::kU32, "rx-buf-len"},
    {11, AttributeKind::kU8, "tcp-data-split"},
    {12, AttributeKind::kU32, "cqe-size"},
    {13, AttributeKind::kU8, "tx-push"},
    {14, AttributeKind::kU8, "rx-push"},
    {15, AttributeKind::kU32, "tx-push-buf-len"},
    {16, AttributeKind::kU32, "tx-push-buf-len-max"},
    {17, AttributeKind::kU32, "hds-thresh"},
    {18, AttributeKind::kU32, "hds-thresh-max"},
};

constexpr AttributeSchema kChannels[] = {
    {2, AttributeKind::kU32, "rx-max"},      {3, AttributeKind::kU32, "tx-max"},
    {4, AttributeKind::kU32, "other-max"},   {5, AttributeKind::kU32, "combined-max"},
    {6, AttributeKind::kU32, "rx-count"},    {7, AttributeKind::kU32, "tx-count"},
    {8, AttributeKind::kU32, "other-count"}, {9, AttributeKind::kU32, "combined-count"},
};

constexpr AttributeSchema kCoalesce[] = {
    {2, AttributeKind::kU32, "rx-usecs"},
    {3, AttributeKind::kU32, "rx-max-frames"},
    {4, AttributeKind::kU32, "rx-usecs-irq"},
    {5, AttributeKind::kU32, "rx-max-frames-irq"},
    {6, AttributeKind::kU32, "tx-usecs"},
    {7, AttributeKind::kU32, "tx-max-frames"},
    {8, AttributeKind::kU32, "tx-usecs-irq"},
    {9, AttributeKind::kU32, "tx-max-frames-irq"},
    {10, AttributeKind::kU32, "stats-block-usecs"},
    {11, AttributeKind::kU8, "use-adaptive-rx"},
    {12, AttributeKind::kU8, "use-adaptive-tx"},
    {13, AttributeKind::kU32, "pkt-rate-low"},
    {14, AttributeKind::kU32, "rx-usecs-low"},
    {15, AttributeKind::kU32, "rx-max-frames-low"},
    {16, AttributeKind::kU32, "tx-usecs-low"},
    {17, AttributeKind::kU32, "tx-max-frames-low"},
    {18, AttributeKind::kU32, "pkt-rate-high"},
    {19, AttributeKind::kU32, "rx-usecs-high"},
    {20, AttributeKind::kU32, "rx-max-frames-high"},
    {21, AttributeKind::kU32, "tx-usecs-high"},
    {22, AttributeKind::kU32, "tx-max-frames-high"},
    {23, AttributeKind::kU32, "rate-sample-interval"},
    {24, AttributeKind::kU8, "use-cqe-mode-tx"},
    {25, AttributeKind::kU8, "use-cqe-mode-rx"},
    {26, AttributeKind::kU32, "tx-aggr-max-bytes"},
    {27, AttributeKind::kU32, "tx-aggr-max-frames"},
    {28, AttributeKind::kU32, "tx-aggr-time-usecs"},
};

constexpr AttributeSchema kFeatures[] = {
    {2, AttributeKind::kBitset, "hw"},
    {3, AttributeKind::kBitset, "wanted"},
    {4, AttributeKind::kBitset, "active"},
    {5, AttributeKind::kBitset, "nochange"},
};

constexpr AttributeSchema kRss[] = {
    {2, AttributeKind::kU32, "context"},    {3, AttributeKind::kU32, "hfunc"},
    {4, AttributeKind::kNumbers, "indir"},  {5, AttributeKind::kBytes, "hkey"},
    {6, AttributeKind::kU32, "input-xfrm"},
};

constexpr AttributeSchema kQueue[] = {
    {1, AttributeKind::kU32, "id"},
    {2, AttributeKind::kU32, "ifindex"},
    {3, AttributeKind::kU32, "type"},
    {4, AttributeKind::kU32, "napi-id"},
};

constexpr AttributeSchema kNapi[] = {
    {1, AttributeKind::kU32, "ifindex"},
    {2, AttributeKind::kU32, "id"},
    {3, AttributeKind::kU32, "irq"},
    {4, AttributeKind::kU32, "pid"},
    {5, AttributeKind::kU32, "defer-hard-irqs"},
    {6, AttributeKind::kU64, "gro-flush-timeout"},
    {7, AttributeKind::kU64, "irq-suspend-timeout"},
    {8, AttributeKind::kU32, "threaded"},
};

constexpr AttributeSchema kQstats[] = {
    {1, AttributeKind::kU32, "ifindex"},
    {2, AttributeKind::kU32, "queue-type"},
    {3, AttributeKind::kU32, "queue-id"},
    {4, AttributeKind::kU64, "scope"},
    {8, AttributeKind::kU64, "rx-packets"},
    {9, AttributeKind::kU64, "rx-bytes"},
    {10, AttributeKind::kU64, "tx-packets"},
    {11, AttributeKind::kU64, "tx-bytes"},
    {12, AttributeKind::kU64, "rx-alloc-fail"},
    {13, AttributeKind::kU64, "rx-hw-drops"},
    {14, AttributeKind::kU64, "rx-hw-drop-overruns"},
    {15, AttributeKind::kU64, "rx-csum-complete"},
    {16, AttributeKind::kU64, "rx-csum-unnecessary"},
    {17, AttributeKind::kU64, "rx-csum-none"},
    {18, AttributeKind::kU64, "rx-csum-bad"},
    {19, AttributeKind::kU64, "rx-hw-gro-packets"},
    {20, AttributeKind::kU64, "rx-hw-gro-bytes"},
    {21, AttributeKind::kU64, "rx-hw-gro-wire-packets"},
    {22, AttributeKind::kU64, "rx-hw-gro-wire-bytes"},
    {23, AttributeKind::kU64, "rx-hw-drop-ratelimits"},
    {24, AttributeKind::kU64, "tx-hw-drops"},
    {25, AttributeKind::kU64, "tx-hw-drop-errors"},
    {26, AttributeKind::kU64, "tx-csum-none"},
    {27, AttributeKind::kU64, "tx-needs-csum"},
    {28, AttributeKind::kU64, "tx-hw-gso-packets"},
    {29, AttributeKind::kU64, "tx-hw-gso-bytes"},
    {30, AttributeKind::kU64, "tx-hw-gso-wire-packets"},
    {31, AttributeKind::kU64, "tx-hw-gso-wire-bytes"},
    {32, AttributeKind::kU64, "tx-hw-drop-ratelimits"},
    {33, AttributeKind::kU64, "tx-stop"},
    {34, AttributeKind::kU64, "tx-wake"},
};

// include/uapi/linux/if_link.h
constexpr AttributeSchema kLinkInfo[] = {{1, AttributeKind::kText, "kind"}};
constexpr AttributeSchema kLinkXdp[] = {{2, AttributeKind::kU8, "attached"}};
constexpr AttributeSchema kLink[] = {
    {1, AttributeKind::kBytes, "address"},
    {3, AttributeKind::kText, "ifname"},
    {4, AttributeKind::kU32, "mtu"},
    {5, AttributeKind::kU32, "link"},
    {10, AttributeKind::kU32, "master"},
    {16, AttributeKind::kU8, "operstate"},
    {18, AttributeKind::kNest, "linkinfo", kLinkInfo},
    {23, AttributeKind::kBytes, "stats64"},
    {31, AttributeKind::kU32, "num-tx-queues"},
    {32, AttributeKind::kU32, "num-rx-queues"},
    {43, AttributeKind::kNest, "xdp", kLinkXdp},
    {56, AttributeKind::kText, "parent-dev-name"},
    {57, AttributeKind::kText, "parent-dev-bus-name"},
};

// include/uapi/linux/if_addr.h
constexpr AttributeSchema kAddress[] = {
    {1, AttributeKind::kBytes, "address"},
    {2, AttributeKind::kBytes, "local"},
};

// include/uapi/linux/inet_diag.h
constexpr AttributeSchema kSocket[] = {
    {7, AttributeKind::kNumbers, "skmeminfo"},
    {11, AttributeKind::kU8, "skv6only"},
};

}  // namespace

const Schema kRingsSchema = kRings;
const Schema kChannelsSchema = kChannels;
const Schema kCoalesceSchema = kCoalesce;
const Schema kFeaturesSchema = kFeatures;
const Schema kRssSchema = kRss;
const Schema kQueueSchema = kQueue;
const Schema kNapiSchema = kNapi;
const Schema kQstatsSchema = kQstats;
const Schema kLinkSchema = kLink;
const Schema kAddressSchema = kAddress;
const Schema kSocketSchema = kSocket;

const AttributeSchema* find_attribute(Schema schema, std::uint16_t number) {
  const auto at = std::find_if(schema.begin(), schema.end(), [&](const AttributeSchema& attribute) {
    return attribute.number == number;
  });
  return at == schema.end() ? nullptr : &*at;
}

const AttributeSchema* find_attribute(Schema schema, std::string_view name) {
  const auto at = std::find_if(schema.begin(), schema.end(), [&](const AttributeSchema& attribute) {
    return attribute.name == name;
  });
  return at == schema.end() ? nullptr : &*at;
}

}  // namespace leat::sys::internal
