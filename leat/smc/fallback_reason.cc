#include "leat/smc/fallback_reason.h"

namespace leat::smc {

std::string_view to_string(FallbackReason reason) {
  switch (reason) {
    case FallbackReason::kNone:
      return "none";
    case FallbackReason::kNotEarned:
      return "too few calls and bytes so far";
    case FallbackReason::kWaitingForPeer:
      return "the peer has made no offer (no Leat there, or idle)";
    case FallbackReason::kNoBroker:
      return "no broker runs";
    case FallbackReason::kPolicy:
      return "the policy does not allow the peer's user";
    case FallbackReason::kDeniedPort:
      return "the port is denied";
    case FallbackReason::kDeniedProgram:
      return "the program is denied";
    case FallbackReason::kInherited:
      return "inherited before it was accelerated";
    case FallbackReason::kSocketBound:
      return "bound to a device, or transparent";
    case FallbackReason::kNotEstablished:
      return "closed before it had earned it";
    case FallbackReason::kSegmentLimit:
      return "the broker holds as many segments as it may";
    case FallbackReason::kTableFull:
      return "the process has more connections than slots";
    case FallbackReason::kUrgentData:
      return "urgent data";
    case FallbackReason::kKernelTls:
      return "kernel TLS";
    case FallbackReason::kIoUring:
      return "the program uses io_uring";
    case FallbackReason::kPassedOn:
      return "passed to a program without Leat";
    case FallbackReason::kSocketOption:
      return "a socket option that a ring cannot keep";
    case FallbackReason::kAsyncIo:
      return "asynchronous I/O by signals";
    case FallbackReason::kSelfConnected:
      return "connected to itself";
    case FallbackReason::kOldKernel:
      return "the kernel does not tell what the proof needs";
    case FallbackReason::kOff:
      return "LEAT=off";
    case FallbackReason::kBroken:
      return "the peer broke the shared memory";
    case FallbackReason::kNoProof:
      return "not proved to be one connection across network namespaces";
    case FallbackReason::kNoMemory:
      return "out of memory";
    case FallbackReason::kProving:
      return "being proved to be one connection across network namespaces";
  }
  return "unknown";
}

}  // namespace leat::smc
