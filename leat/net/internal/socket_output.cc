#include "leat/net/internal/socket_output.h"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "leat/net/internal/send_queue.h"
#include "leat/net/net_counters.h"

namespace leat::internal {

namespace {

using Written = Transport::Written;

ssize_t write_file(int fd, const SendQueue& queue) {
  const SendQueue::FileRange range = queue.file();
  auto offset = static_cast<off_t>(range.offset);
  const std::size_t count = std::min<std::uint64_t>(range.length, kWriteBudget);
  return ::sendfile(fd, range.fd, &offset, count);
}

ssize_t write_memory(int fd, const SendQueue& queue) {
  // The common case, which costs the kernel less than a list of vectors.
  const std::string_view block = queue.only_block();
  if (!block.empty()) return ::send(fd, block.data(), block.size(), MSG_NOSIGNAL);
  std::array<iovec, kWriteVectors> vectors;
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = queue.gather(vectors);
  // With a file to follow, its first bytes may share a segment with these.
  const int more = queue.has_file() ? MSG_MORE : 0;
  return ::sendmsg(fd, &message, MSG_NOSIGNAL | more);
}

}  // namespace

Written write_to_socket(int fd, const bool& closed, SendQueue& queue, TransportUser& user,
                        NetCounters& counters) {
  std::size_t written = 0;
  while (!closed && !queue.empty()) {
    if (written >= kWriteBudget) return {Written::Kind::kBlocked};
    const bool file = queue.file_is_next();
    const ssize_t count = file ? write_file(fd, queue) : write_memory(fd, queue);
    counters.writes.add();
    if (count > 0) {
      written += static_cast<std::size_t>(count);
      user.bytes_sent(static_cast<std::size_t>(count));
      continue;
    }
    if (count == 0) return {file ? Written::Kind::kTruncated : Written::Kind::kBlocked};
    if (errno == EAGAIN || errno == EINTR) return {Written::Kind::kBlocked};
    return {Written::Kind::kFailed, errno, file ? "sending a file" : "sending"};
  }
  return {Written::Kind::kAll};
}

std::size_t write_now_to_socket(int fd, const SendQueue& queue, std::string_view bytes,
                                NetCounters& counters) {
  const std::uint64_t queued_bytes = queue.total_bytes();
  ssize_t count = 0;
  if (queued_bytes == 0) {
    count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } else {
    std::array<iovec, kWriteVectors> vectors;
    const std::size_t queued = queue.gather(std::span(vectors).first(kWriteVectors - 1));
    std::size_t gathered = 0;
    for (std::size_t i = 0; i < queued; ++i) gathered += vectors[i].iov_len;
    // A file in the queue, or too many pieces.
    if (gathered != queued_bytes) return 0;
    vectors[queued] = {.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = queued + 1;
    count = ::sendmsg(fd, &message, MSG_NOSIGNAL);
  }
  counters.writes.add();
  // An error is left to write(), which is never inside a call of the user's.
  return count > 0 ? static_cast<std::size_t>(count) : 0;
}

void reset_on_close(int fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace leat::internal
