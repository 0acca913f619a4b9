#include "apps/preload/rest_of_stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "apps/preload/descriptor_table.h"
#include "apps/preload/raw.h"
#include "apps/preload/receive.h"

namespace leat::preload {
namespace {

using raw::raw_argument;
using raw::raw_syscall;

/// Two ends of one TCP connection over loopback; closed unless given away.
class LoopbackPair {
 public:
  LoopbackPair() = default;
  LoopbackPair(const LoopbackPair&) = delete;
  LoopbackPair& operator=(const LoopbackPair&) = delete;
  ~LoopbackPair() {
    for (const long fd : {listener, writer, reader}) {
      if (fd >= 0) raw_syscall(SYS_close, fd);
    }
  }
  bool open() {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof name;
    constexpr int kType = SOCK_STREAM | SOCK_CLOEXEC;
    listener = raw_syscall(SYS_socket, AF_INET, kType, 0);
    if (listener < 0 || raw_syscall(SYS_bind, listener, raw_argument(&name), sizeof name) != 0 ||
        raw_syscall(SYS_listen, listener, 1) != 0 ||
        raw_syscall(SYS_getsockname, listener, raw_argument(&name), raw_argument(&size)) != 0) {
      return false;
    }
    writer = raw_syscall(SYS_socket, AF_INET, kType, 0);
    if (writer < 0 || raw_syscall(SYS_connect, writer, raw_argument(&name), sizeof name) != 0) {
      return false;
    }
    sockaddr_in mine{};
    sockaddr_in came{};
    size = sizeof mine;
    raw_syscall(SYS_getsockname, writer, raw_argument(&mine), raw_argument(&size));
    size = sizeof came;
    reader =
        raw_syscall(SYS_accept4, listener, raw_argument(&came), raw_argument(&size), SOCK_CLOEXEC);
    // A stranger might have been quicker.
    return reader >= 0 && came.sin_port == mine.sin_port;
  }

  long listener = -1;
  long writer = -1;
  long reader = -1;
};

bool pour_rest(Connection& connection, int fd, int into) {
  char bytes[16384];
  for (;;) {
    const iovec part{bytes, sizeof bytes};
    const ssize_t got = receive(connection, fd, &part, 1, MSG_DONTWAIT);
    if (got == -EAGAIN) {
      // Its writer has gone, but its last bytes may still be on their way.
      if ((raw::poll_one(fd, POLLIN | POLLRDHUP, 100) & (POLLIN | POLLRDHUP | POLLHUP)) == 0) {
        return false;
      }
      continue;
    }
    if (got == 0) return true;
    if (got < 0) return connection.receiver().look().kind != smc::Input::Kind::kBroken;
    for (ssize_t done = 0; done < got;) {
      const long sent = raw::send(into, bytes + done, static_cast<std::size_t>(got - done),
                                  MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent <= 0) return false;
      done += sent;
    }
  }
}

}  // namespace

bool replace_by_rest(Connection& connection, int fd) {
  LoopbackPair pair;
  if (!pair.open()) return false;
  if (!pour_rest(connection, fd, static_cast<int>(pair.writer))) return false;
  const long status = raw::status_flags(fd);
  if (status > 0) raw_syscall(SYS_fcntl, pair.reader, F_SETFL, status);
  raw_syscall(SYS_shutdown, pair.writer, SHUT_WR);
  for (int other = 0; other < DescriptorTable::end() || other == fd; ++other) {
    if (other != fd && DescriptorTable::known(other) != &connection) continue;
    const long flags = raw_syscall(SYS_fcntl, other, F_GETFD);
    if (flags < 0) continue;
    raw_syscall(SYS_dup3, pair.reader, other, (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
  }
  return true;
}

void reset(int fd) {
  sockaddr none{};
  none.sa_family = AF_UNSPEC;
  raw_syscall(SYS_connect, fd, raw_argument(&none), sizeof none);
}

}  // namespace leat::preload
