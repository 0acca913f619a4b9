#include "apps/preload/options.h"

#include <linux/tcp.h>
#include <netinet/in.h>

#include "apps/preload/raw.h"

namespace leat::preload {
namespace {

struct Forbidden {
  int level;
  int name;
  smc::FallbackReason reason;
};
// Options with a meaning for single segments, or whose queue is the kernel's.
constexpr Forbidden kForbidden[] = {
    {SOL_SOCKET, SO_TIMESTAMP, smc::FallbackReason::kSocketOption},
    {SOL_SOCKET, SO_TIMESTAMPNS, smc::FallbackReason::kSocketOption},
    {SOL_SOCKET, SO_TIMESTAMPING, smc::FallbackReason::kSocketOption},
    {SOL_SOCKET, SO_ZEROCOPY, smc::FallbackReason::kSocketOption},
    {SOL_SOCKET, SO_OOBINLINE, smc::FallbackReason::kUrgentData},
    {IPPROTO_TCP, TCP_REPAIR, smc::FallbackReason::kSocketOption},
    {IPPROTO_TCP, TCP_INQ, smc::FallbackReason::kSocketOption},
    {IPPROTO_IP, IP_TRANSPARENT, smc::FallbackReason::kSocketBound},
};

}  // namespace

smc::FallbackReason forbidden_option(int level, int name) {
  for (const Forbidden& one : kForbidden) {
    if (one.level == level && one.name == name) return one.reason;
  }
  if (level == IPPROTO_TCP && name == TCP_ULP) return smc::FallbackReason::kKernelTls;
  if (level == SOL_SOCKET && (name == SO_BINDTODEVICE || name == SO_BINDTOIFINDEX)) {
    return smc::FallbackReason::kSocketBound;
  }
  if (level == SOL_SOCKET &&
      (name == SO_ATTACH_FILTER || name == SO_ATTACH_BPF || name == SO_PEEK_OFF)) {
    return smc::FallbackReason::kSocketOption;
  }
  return smc::FallbackReason::kNone;
}

smc::FallbackReason forbidden_by_options(int fd) {
  for (const Forbidden& one : kForbidden) {
    if (raw::option(fd, one.level, one.name, 0) != 0) return one.reason;
  }
  if (raw::option(fd, SOL_SOCKET, SO_PEEK_OFF, -1) >= 0) return smc::FallbackReason::kSocketOption;
  char protocol[16] = {};
  if (raw::get_option(fd, IPPROTO_TCP, TCP_ULP, protocol) && protocol[0] != 0) {
    return smc::FallbackReason::kKernelTls;
  }
  socklen_t filter = 0;
  if (raw::raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_ATTACH_FILTER, 0,
                       raw::raw_argument(&filter)) == 0 &&
      filter != 0) {
    return smc::FallbackReason::kSocketOption;
  }
  const long flags = raw::status_flags(fd);
  return flags >= 0 && (flags & O_ASYNC) != 0 ? smc::FallbackReason::kAsyncIo
                                              : smc::FallbackReason::kNone;
}

}  // namespace leat::preload
