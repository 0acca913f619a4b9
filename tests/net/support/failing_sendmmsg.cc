#include "support/failing_sendmmsg.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace leat::testing {

namespace {

thread_local FailingSendmmsg::Decide decide_here;

}  // namespace

FailingSendmmsg::FailingSendmmsg(Decide decide) {
  decide_here = std::move(decide);
}

FailingSendmmsg::~FailingSendmmsg() {
  decide_here = nullptr;
}

bool FailingSendmmsg::is_cut(const mmsghdr& message) {
  auto header = message.msg_hdr;
  for (cmsghdr* one = CMSG_FIRSTHDR(&header); one != nullptr; one = CMSG_NXTHDR(&header, one)) {
    if (one->cmsg_level == SOL_UDP && one->cmsg_type == UDP_SEGMENT) return true;
  }
  return false;
}

}  // namespace leat::testing

/// Found by the dynamic linker before the one of the C library.
extern "C" int sendmmsg(int socket, mmsghdr* messages, unsigned count, int flags) {
  using leat::testing::decide_here;
  if (decide_here) {
    if (const std::optional<int> number = decide_here({messages, count})) {
      errno = *number;
      return -1;
    }
  }
  return static_cast<int>(::syscall(SYS_sendmmsg, socket, messages, count, flags));
}
