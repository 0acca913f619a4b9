// The C library's calls that receive. Each goes by the rings if its descriptor is a connection
// whose input does, and is the C library's own otherwise.

#include <errno.h>
#include <limits.h>

#include "apps/preload/held.h"
#include "apps/preload/native_scope.h"
#include "apps/preload/passed.h"
#include "apps/preload/real.h"
#include "apps/preload/receive.h"

namespace leat::preload {
namespace {

ssize_t told(ssize_t result) {
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}

template <typename Native>
ssize_t receive_or(int fd, const iovec* parts, std::size_t count, int flags, Native native) {
  cancellation_point();
  const Held held(fd);
  if (!held) return native();
  ssize_t result = 0;
  if (!input_is_open(*held) && read_natively(*held, fd, native, result)) return result;
  if ((flags & (MSG_OOB | MSG_ERRQUEUE)) != 0 || count > IOV_MAX) return native();
  result = receive(*held, fd, parts, count, flags);
  if (result == -ENOTSOCK && drop_if_stale(fd)) return native();
  return told(result);
}

template <typename Native>
ssize_t receive_or(int fd, void* to, std::size_t size, int flags, Native native) {
  const iovec part{to, size};
  return receive_or(fd, &part, 1, flags, native);
}

/// By SCM_RIGHTS: their numbers were free.
void descriptors_came(const msghdr& message) {
  for_each_passed(message, [](int fd) { descriptor_made(fd); });
}

/// As TCP leaves them: no name, no control data.
void clear(msghdr& message) {
  if (message.msg_name != nullptr) message.msg_namelen = 0;
  message.msg_controllen = 0;
  message.msg_flags = 0;
}

}  // namespace
}  // namespace leat::preload

using namespace leat::preload;

LEAT_INTERPOSED ssize_t read(int fd, void* to, size_t size) {
  const auto native = [&] { return real::read(fd, to, size); };
  // read() of nothing is nothing, recv() of nothing waits for something.
  return size == 0 ? native() : receive_or(fd, to, size, 0, native);
}

LEAT_INTERPOSED ssize_t __read_chk(int fd, void* to, size_t size, size_t room) {
  if (size > room) __builtin_trap();
  return read(fd, to, size);
}

LEAT_INTERPOSED ssize_t __read(int fd, void* to, size_t size) {
  return read(fd, to, size);
}

LEAT_INTERPOSED ssize_t readv(int fd, const iovec* parts, int count) {
  const auto native = [&] { return real::readv(fd, parts, count); };
  size_t total = 0;
  for (int i = 0; i < count && i <= IOV_MAX; ++i) total += parts[i].iov_len;
  if (count <= 0 || total == 0) return native();
  return receive_or(fd, parts, static_cast<size_t>(count), 0, native);
}

LEAT_INTERPOSED ssize_t recv(int fd, void* to, size_t size, int flags) {
  return receive_or(fd, to, size, flags, [&] { return real::recv(fd, to, size, flags); });
}

LEAT_INTERPOSED ssize_t __recv_chk(int fd, void* to, size_t size, size_t room, int flags) {
  if (size > room) __builtin_trap();
  return recv(fd, to, size, flags);
}

LEAT_INTERPOSED ssize_t recvfrom(int fd, void* to, size_t size, int flags, sockaddr* name,
                                 socklen_t* name_size) {
  bool native = false;
  const ssize_t result = receive_or(fd, to, size, flags, [&] {
    native = true;
    return real::recvfrom(fd, to, size, flags, name, name_size);
  });
  if (!native && result >= 0 && name != nullptr && name_size != nullptr) *name_size = 0;
  return result;
}

LEAT_INTERPOSED ssize_t __recvfrom_chk(int fd, void* to, size_t size, size_t room, int flags,
                                       sockaddr* name, socklen_t* name_size) {
  if (size > room) __builtin_trap();
  return recvfrom(fd, to, size, flags, name, name_size);
}

LEAT_INTERPOSED ssize_t recvmsg(int fd, msghdr* message, int flags) {
  bool native = false;
  const ssize_t result = receive_or(fd, message->msg_iov, message->msg_iovlen, flags, [&] {
    native = true;
    return real::recvmsg(fd, message, flags);
  });
  if (!native && result >= 0) clear(*message);
  if (native && result >= 0 && message->msg_controllen != 0) descriptors_came(*message);
  return result;
}

LEAT_INTERPOSED int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags,
                             timespec* limit) {
  if (!Held(fd)) {
    const int got = real::recvmmsg(fd, messages, count, flags, limit);
    for (int i = 0; i < got; ++i) {
      if (messages[i].msg_hdr.msg_controllen != 0) descriptors_came(messages[i].msg_hdr);
    }
    return got;
  }
  // Messages of a stream: the first waits, the others take what is there.
  unsigned n = 0;
  for (; n < count; ++n) {
    const int more = n == 0 || (flags & MSG_WAITFORONE) == 0 ? 0 : MSG_DONTWAIT;
    const ssize_t got = recvmsg(fd, &messages[n].msg_hdr, (flags & ~MSG_WAITFORONE) | more);
    if (got < 0) return n != 0 ? static_cast<int>(n) : -1;
    messages[n].msg_len = static_cast<unsigned>(got);
    if (got == 0) return static_cast<int>(n + 1);
  }
  return static_cast<int>(n);
}

LEAT_INTERPOSED ssize_t preadv2(int fd, const iovec* parts, int count, off_t offset, int flags) {
  const auto native = [&] { return real::preadv2(fd, parts, count, offset, flags); };
  // At the current place of a stream it is readv(); RWF_NOWAIT is MSG_DONTWAIT.
  if (offset != -1 || count <= 0) return native();
  return receive_or(fd, parts, static_cast<size_t>(count),
                    (flags & RWF_NOWAIT) != 0 ? MSG_DONTWAIT : 0, native);
}

LEAT_INTERPOSED ssize_t preadv64v2(int fd, const iovec* parts, int count, off64_t offset,
                                   int flags) {
  return preadv2(fd, parts, count, offset, flags);
}
