// Public: why a connection stays on, or went back to, TCP.
#pragma once

#include <cstdint>
#include <string_view>

namespace leat::smc {

/// Kept in shared memory and in the broker's answers: numbers stay as they are.
enum class FallbackReason : std::uint32_t {
  kNone = 0,
  kNotEarned = 1,       ///< Too few calls and bytes so far.
  kWaitingForPeer = 2,  ///< Offered; the peer has not (no Leat there, another host, or not earned).
  kNoBroker = 3,
  kPolicy = 4,  ///< Another user, whom the policy does not allow.
  kDeniedPort = 5,
  kDeniedProgram = 6,
  kInherited = 7,       ///< Came by exec or SCM_RIGHTS before it was accelerated.
  kSocketBound = 8,     ///< SO_BINDTODEVICE or IP_TRANSPARENT: addresses prove nothing.
  kNotEstablished = 9,  ///< Closed, or half closed, before it had earned it.
  kSegmentLimit = 10,   ///< The broker holds as many segments as it may.
  kTableFull = 11,      ///< The process has more connections than slots.
  kUrgentData = 12,
  kKernelTls = 13,
  kIoUring = 14,
  kPassedOn = 15,  ///< Given to a program without Leat, by exec or SCM_RIGHTS.
  kSocketOption =
      16,         ///< An option whose meaning a ring cannot keep (time stamps, zero copy, filters).
  kAsyncIo = 17,  ///< SIGIO or POSIX AIO.
  kSelfConnected = 18,
  kOldKernel = 19,  ///< The kernel does not tell what the proof needs.
  kOff = 20,        ///< LEAT=off.
  kBroken = 21,     ///< The peer wrote nonsense into the segment.
  kNoProof = 22,    ///< Between network namespaces, and not proved to be one connection.
  kNoMemory = 23,
  kProving = 24,  ///< Between network namespaces: the proof needs more exchanges.
};
inline constexpr std::uint32_t kFallbackReasons = 25;

/// A sentence without its full stop, for people.
[[nodiscard]] std::string_view to_string(FallbackReason reason);

}  // namespace leat::smc
