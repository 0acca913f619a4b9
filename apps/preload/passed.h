// Internal: descriptors that go along with a message.
#pragma once

#include <string.h>
#include <sys/socket.h>

#include <cstddef>

namespace leat::preload {

/// `visit(fd)` for each descriptor of SCM_RIGHTS.
template <typename Visit>
void for_each_passed(const msghdr& message, Visit visit) {
  auto* const mutable_message = const_cast<msghdr*>(&message);
  for (cmsghdr* part = CMSG_FIRSTHDR(mutable_message); part != nullptr;
       part = CMSG_NXTHDR(mutable_message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      visit(fd);
    }
  }
}

}  // namespace leat::preload
