// The C library's calls that send. Each goes by the rings if its descriptor is a shared connection,
// and is the C library's own otherwise.

#include <errno.h>
#include <limits.h>

#include "apps/preload/fold.h"
#include "apps/preload/held.h"
#include "apps/preload/native_scope.h"
#include "apps/preload/real.h"
#include "apps/preload/send.h"

namespace leat::preload {
namespace {

ssize_t told(ssize_t result) {
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}

/// A native call on a connection that is not shared; false if it has been meanwhile.
template <typename Native>
bool write_natively(Connection& connection, int fd, Native native, ssize_t& result) {
  {
    const NativeScope scope(connection.slot()->native_writers);
    if (connection.is_shared() || connection.attach_if_family_did(fd)) return false;
    result = native();
  }
  connection.note_call(fd, result > 0 ? static_cast<std::size_t>(result) : 0);
  return true;
}

template <typename Native>
ssize_t send_or(int fd, const msghdr& message, int flags, Native native) {
  cancellation_point();
  const Held held(fd);
  if (!held || message.msg_iovlen > IOV_MAX) return native();
  ssize_t result = 0;
  if (!held->is_shared() && write_natively(*held, fd, native, result)) return result;
  if (!input_is_open(*held)) held->note_call(fd, 0);
  result = leat::preload::send(*held, fd, message, flags);
  if (result == -ENOTSOCK && drop_if_stale(fd)) return native();
  return told(result);
}

template <typename Native>
ssize_t send_or(int fd, const void* from, std::size_t size, int flags, Native native) {
  iovec part{const_cast<void*>(from), size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return send_or(fd, message, flags, native);
}

template <typename Native>
ssize_t send_parts_or(int fd, const iovec* parts, int count, int flags, Native native) {
  if (count <= 0) return native();
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<std::size_t>(count);
  return send_or(fd, message, flags, native);
}

}  // namespace
}  // namespace leat::preload

using namespace leat::preload;

LEAT_INTERPOSED ssize_t write(int fd, const void* from, size_t size) {
  return send_or(fd, from, size, 0, [&] { return real::write(fd, from, size); });
}

LEAT_INTERPOSED ssize_t __write(int fd, const void* from, size_t size) {
  return write(fd, from, size);
}

LEAT_INTERPOSED ssize_t writev(int fd, const iovec* parts, int count) {
  return send_parts_or(fd, parts, count, 0, [&] { return real::writev(fd, parts, count); });
}

LEAT_INTERPOSED ssize_t send(int fd, const void* from, size_t size, int flags) {
  return send_or(fd, from, size, flags, [&] { return real::send(fd, from, size, flags); });
}

LEAT_INTERPOSED ssize_t __send(int fd, const void* from, size_t size, int flags) {
  return send(fd, from, size, flags);
}

// On a connected TCP socket the name is ignored; with MSG_FASTOPEN it connects, which is the
// kernel's.
LEAT_INTERPOSED ssize_t sendto(int fd, const void* from, size_t size, int flags,
                               const sockaddr* name, socklen_t name_size) {
  const auto native = [&] { return real::sendto(fd, from, size, flags, name, name_size); };
  if ((flags & MSG_FASTOPEN) != 0) return native();
  return send_or(fd, from, size, flags, native);
}

LEAT_INTERPOSED ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  const auto native = [&] { return real::sendmsg(fd, message, flags); };
  if ((flags & MSG_FASTOPEN) != 0) return native();
  if (message->msg_controllen != 0) fold_descriptors_in(*message);
  return send_or(fd, *message, flags, native);
}

LEAT_INTERPOSED int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  if (!Held(fd)) {
    for (unsigned i = 0; i < count; ++i) {
      if (messages[i].msg_hdr.msg_controllen != 0) fold_descriptors_in(messages[i].msg_hdr);
    }
    return real::sendmmsg(fd, messages, count, flags);
  }
  for (unsigned n = 0; n < count; ++n) {
    const ssize_t sent = sendmsg(fd, &messages[n].msg_hdr, flags);
    if (sent < 0) return n != 0 ? static_cast<int>(n) : -1;
    messages[n].msg_len = static_cast<unsigned>(sent);
  }
  return static_cast<int>(count);
}

LEAT_INTERPOSED ssize_t pwritev2(int fd, const iovec* parts, int count, off_t offset, int flags) {
  const auto native = [&] { return real::pwritev2(fd, parts, count, offset, flags); };
  if (offset != -1) return native();
  return send_parts_or(fd, parts, count, (flags & RWF_NOWAIT) != 0 ? MSG_DONTWAIT : 0, native);
}

LEAT_INTERPOSED ssize_t pwritev64v2(int fd, const iovec* parts, int count, off64_t offset,
                                    int flags) {
  return pwritev2(fd, parts, count, offset, flags);
}
