// The C library's calls that move bytes between descriptors.

#include <errno.h>

#include "apps/preload/fold.h"
#include "apps/preload/held.h"
#include "apps/preload/lane_lock.h"
#include "apps/preload/native_scope.h"
#include "apps/preload/output.h"
#include "apps/preload/raw.h"
#include "apps/preload/real.h"
#include "apps/preload/send.h"

using namespace leat::preload;

namespace leat::preload {
namespace {

/// Reads the file right into the ring. Bytes sent; the rest, errors included, is for the kernel's
/// own sendfile(), which gets the lane TCP.
std::size_t send_by_ring(Connection& connection, int to, int from, off_t* offset,
                         std::size_t count) {
  const OutputLock lock(connection, to);
  if (!lock.is_held()) return 0;
  Output output(connection, to);
  if (output.settle() == Output::Settled::kWouldBlock) return 0;
  if (!output.in_ring() && !output.enter_ring()) return 0;
  std::size_t sum = 0;
  output.look_after_peer();
  output.fill(count, [&](std::span<char> room) -> std::size_t {
    const auto size = static_cast<long>(room.size());
    const long got =
        offset != nullptr
            ? raw::raw_syscall(SYS_pread64, from, raw::raw_argument(room.data()), size, *offset)
            : raw::raw_syscall(SYS_read, from, raw::raw_argument(room.data()), size);
    if (got <= 0) return 0;
    if (offset != nullptr) *offset += got;
    sum += static_cast<std::size_t>(got);
    return static_cast<std::size_t>(got);
  });
  if (sum != 0) ++connection.mine().tx_messages;
  return sum;
}

/// Only what pread() and sendfile() read alike: files.
bool is_file(int fd) {
  return raw::raw_syscall(SYS_lseek, fd, 0, SEEK_CUR) >= 0;
}

ssize_t send_file(int to, int from, off_t* offset, std::size_t count) {
  const auto native = [&] { return real::sendfile(to, from, offset, count); };
  const Held held(to);
  if (!held) return native();
  if (!held->is_shared() || !is_file(from)) {
    // Not shared: the lanes must not change meanwhile.
    if (held->is_shared()) (void)fold_output(*held, to);
    ssize_t result = 0;
    {
      const NativeScope scope(held->slot()->native_writers);
      if (held->is_shared()) (void)fold_output(*held, to);
      result = native();
    }
    held->note_call(to, result > 0 ? static_cast<std::size_t>(result) : 0);
    return result;
  }
  const std::size_t sent = send_by_ring(*held, to, from, offset, count);
  if (sent == count) return static_cast<ssize_t>(sent);
  // The end of the file, a full ring, or an error: the kernel knows which.
  {
    OutputLock lock(*held, to);
    Output output(*held, to);
    if (lock.is_held() && output.in_ring() && sent != 0 && !output.sender().room(1).empty()) {
      return static_cast<ssize_t>(sent);
    }
    if (lock.is_held() && output.in_ring()) (void)output.leave_ring();
    const NativeScope scope(held->slot()->native_writers);
    lock.release();
    const ssize_t rest = real::sendfile(to, from, offset, count - sent);
    wake_by_futex(*held);
    if (rest < 0) return sent != 0 ? static_cast<ssize_t>(sent) : rest;
    return static_cast<ssize_t>(sent) + rest;
  }
}

void fold_for_move(int fd) {
  const int error = errno;
  {
    const Held held(fd);
    if (held) fold_for_good(*held, fd, smc::FallbackReason::kPassedOn);
  }
  errno = error;
}

}  // namespace
}  // namespace leat::preload

LEAT_INTERPOSED ssize_t sendfile(int to, int from, off_t* offset, size_t count) noexcept {
  return send_file(to, from, offset, count);
}

LEAT_INTERPOSED ssize_t sendfile64(int to, int from, off64_t* offset, size_t count) noexcept {
  return send_file(to, from, offset, count);
}

// Pages would move past the rings: such a connection goes back to TCP.
LEAT_INTERPOSED ssize_t splice(int from, off64_t* from_offset, int to, off64_t* to_offset,
                               size_t size, unsigned flags) {
  fold_for_move(from);
  fold_for_move(to);
  return real::splice(from, from_offset, to, to_offset, size, flags);
}
