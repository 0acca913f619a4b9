// Internal: a fresh TCP connection of this process with itself.
#pragma once

#include <errno.h>
#include <netinet/in.h>

#include "apps/preload/raw.h"

namespace leat::preload {

/// Two ends over the loopback device; closed unless given away.
class LoopbackPair {
 public:
  LoopbackPair() = default;
  LoopbackPair(const LoopbackPair&) = delete;
  LoopbackPair& operator=(const LoopbackPair&) = delete;
  ~LoopbackPair() {
    for (const long fd : {listener_, writer_, reader_}) {
      if (fd >= 0) raw::raw_syscall(SYS_close, fd);
    }
  }

  bool open() {
    using raw::raw_argument;
    using raw::raw_syscall;
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof name;
    constexpr int kType = SOCK_STREAM | SOCK_CLOEXEC;
    listener_ = raw_syscall(SYS_socket, AF_INET, kType, 0);
    if (listener_ < 0 || raw_syscall(SYS_bind, listener_, raw_argument(&name), sizeof name) != 0 ||
        raw_syscall(SYS_listen, listener_, 1) != 0 ||
        raw_syscall(SYS_getsockname, listener_, raw_argument(&name), raw_argument(&size)) != 0) {
      return false;
    }
    writer_ = raw_syscall(SYS_socket, AF_INET, kType, 0);
    if (writer_ < 0 || raw_syscall(SYS_connect, writer_, raw_argument(&name), sizeof name) != 0) {
      return false;
    }
    sockaddr_in mine{};
    sockaddr_in came{};
    size = sizeof mine;
    raw_syscall(SYS_getsockname, writer_, raw_argument(&mine), raw_argument(&size));
    size = sizeof came;
    reader_ =
        raw_syscall(SYS_accept4, listener_, raw_argument(&came), raw_argument(&size), SOCK_CLOEXEC);
    // A stranger might have been quicker.
    return reader_ >= 0 && came.sin_port == mine.sin_port;
  }

  [[nodiscard]] int writer() const { return static_cast<int>(writer_); }
  [[nodiscard]] int reader() const { return static_cast<int>(reader_); }

 private:
  long listener_ = -1;
  long writer_ = -1;
  long reader_ = -1;
};

}  // namespace leat::preload
