#include "apps/preload/fold.h"

#include <string.h>

#include "apps/preload/connection_pool.h"
#include "apps/preload/held.h"
#include "apps/preload/process.h"
#include "apps/preload/send.h"

namespace leat::preload {

void fold_for_good(Connection& connection, int fd, smc::FallbackReason reason) {
  if (!connection.is_shared()) return connection.pin(reason);
  (void)fold_output(connection, fd);
}

void fold_descriptors_in(const msghdr& message) {
  auto* const mutable_message = const_cast<msghdr*>(&message);
  for (cmsghdr* part = CMSG_FIRSTHDR(mutable_message); part != nullptr;
       part = CMSG_NXTHDR(mutable_message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      const Held held(fd);
      if (held) fold_for_good(*held, fd, smc::FallbackReason::kPassedOn);
    }
  }
}

void fold_all(smc::FallbackReason reason) {
  Process::give_up();
  for (int fd = 0; fd < DescriptorTable::end(); ++fd) {
    if (DescriptorTable::known(fd) == nullptr) continue;
    const Held held(fd);
    if (held) fold_for_good(*held, fd, reason);
  }
}

}  // namespace leat::preload
