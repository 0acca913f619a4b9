// Internal: numbers of the kernel's netlink families, for headers may be older than the kernel.
#pragma once

#include <cstdint>

namespace leat::sys::internal {

/// Family "ethtool": include/uapi/linux/ethtool_netlink.h and ethtool_netlink_generated.h. Numbers
/// never change; RSS_GET came with Linux 6.2, RSS_SET with 6.17.
namespace ethtool {
inline constexpr const char* kFamily = "ethtool";
enum Command : std::uint16_t {
  kStringsGet = 1,
  kFeaturesGet = 11,
  kFeaturesSet = 12,
  kRingsGet = 15,
  kRingsSet = 16,
  kChannelsGet = 17,
  kChannelsSet = 18,
  kCoalesceGet = 19,
  kCoalesceSet = 20,
  kRssGet = 38,
  kRssSet = 48,
};
/// The first attribute of every request and reply, and what is in it.
inline constexpr std::uint16_t kHeader = 1;
inline constexpr std::uint16_t kHeaderIndex = 1;
inline constexpr std::uint16_t kHeaderName = 2;

inline constexpr std::uint16_t kRingsRxMax = 2;
inline constexpr std::uint16_t kRingsRxMiniMax = 3;
inline constexpr std::uint16_t kRingsRxJumboMax = 4;
inline constexpr std::uint16_t kRingsTxMax = 5;
inline constexpr std::uint16_t kRingsRx = 6;
inline constexpr std::uint16_t kRingsRxMini = 7;
inline constexpr std::uint16_t kRingsRxJumbo = 8;
inline constexpr std::uint16_t kRingsTx = 9;

inline constexpr std::uint16_t kChannelsRxMax = 2;
inline constexpr std::uint16_t kChannelsTxMax = 3;
inline constexpr std::uint16_t kChannelsOtherMax = 4;
inline constexpr std::uint16_t kChannelsCombinedMax = 5;
inline constexpr std::uint16_t kChannelsRx = 6;
inline constexpr std::uint16_t kChannelsTx = 7;
inline constexpr std::uint16_t kChannelsOther = 8;
inline constexpr std::uint16_t kChannelsCombined = 9;

inline constexpr std::uint16_t kFeaturesHardware = 2;
inline constexpr std::uint16_t kFeaturesWanted = 3;
inline constexpr std::uint16_t kFeaturesActive = 4;
inline constexpr std::uint16_t kFeaturesFixed = 5;

inline constexpr std::uint16_t kBitsetNoMask = 1;
inline constexpr std::uint16_t kBitsetSize = 2;
inline constexpr std::uint16_t kBitsetBits = 3;
inline constexpr std::uint16_t kBitsetBit = 1;
inline constexpr std::uint16_t kBitIndex = 1;
inline constexpr std::uint16_t kBitName = 2;
inline constexpr std::uint16_t kBitValue = 3;

inline constexpr std::uint16_t kRssContext = 2;
inline constexpr std::uint16_t kRssFunction = 3;
inline constexpr std::uint16_t kRssTable = 4;
inline constexpr std::uint16_t kRssKey = 5;
inline constexpr std::uint16_t kRssTransform = 6;
}  // namespace ethtool

/// Family "netdev": include/uapi/linux/netdev.h. QUEUE_GET and NAPI_GET came with Linux 6.8,
/// QSTATS_GET with 6.9, NAPI_SET with 6.13, the attribute threaded with 6.17.
namespace netdev {
inline constexpr const char* kFamily = "netdev";
enum Command : std::uint16_t { kQueueGet = 10, kNapiGet = 11, kQstatsGet = 12, kNapiSet = 14 };

inline constexpr std::uint16_t kQueueId = 1;
inline constexpr std::uint16_t kQueueIndex = 2;
inline constexpr std::uint16_t kQueueType = 3;
inline constexpr std::uint16_t kQueueNapi = 4;
inline constexpr std::uint64_t kReceive = 0;
inline constexpr std::uint64_t kTransmit = 1;

inline constexpr std::uint16_t kNapiIndex = 1;
inline constexpr std::uint16_t kNapiId = 2;
inline constexpr std::uint16_t kNapiIrq = 3;
inline constexpr std::uint16_t kNapiPid = 4;
inline constexpr std::uint16_t kNapiDeferHardIrqs = 5;
inline constexpr std::uint16_t kNapiGroFlushTimeout = 6;
inline constexpr std::uint16_t kNapiIrqSuspendTimeout = 7;
inline constexpr std::uint16_t kNapiThreaded = 8;

inline constexpr std::uint16_t kQstatsIndex = 1;
inline constexpr std::uint16_t kQstatsType = 2;
inline constexpr std::uint16_t kQstatsQueue = 3;
inline constexpr std::uint16_t kQstatsScope = 4;
inline constexpr std::uint64_t kScopeQueue = 1;
}  // namespace netdev

}  // namespace leat::sys::internal
