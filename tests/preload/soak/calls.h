// Internal: the calls of the soak's worker: what a byte must be, and many ways to send and receive
// it.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { kPiece = 1 << 18 };

static int who;
static const char* doing = "";

static inline uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

static inline uint64_t next(uint64_t* dice) {
  return mix((*dice)++);
}

/// Ends with 4 if it may be the peer that has gone, else with 3.
static inline void fail(const char* what, int may_be_peer) {
  const int gone =
      errno == ECONNRESET || errno == EPIPE || errno == ECONNREFUSED || errno == ENOTCONN;
  const int status = may_be_peer && gone ? 4 : 3;
  fprintf(stderr, "role %d: %s %s: %s\n", who, doing, what, strerror(errno));
  _exit(status);
}

/// The bytes of a direction from a position on, eight at a time.
static inline void fill(unsigned char* data, size_t size, uint64_t seed, int direction,
                        uint64_t position) {
  size_t done = 0;
  while (done < size) {
    const size_t skip = (position + done) & 7;
    const uint64_t word =
        mix(seed * 2 + (uint64_t)direction + ((position + done) >> 3) * 64) >> (8 * skip);
    const size_t count = size - done < 8 - skip ? size - done : 8 - skip;
    memcpy(data + done, &word, count);
    done += count;
  }
}

static inline void check(const unsigned char* data, size_t size, uint64_t seed, int direction,
                         uint64_t position) {
  static _Thread_local unsigned char right[kPiece];
  fill(right, size, seed, direction, position);
  if (memcmp(data, right, size) == 0) return;
  size_t i = 0;
  while (data[i] == right[i]) ++i;
  fprintf(stderr, "role %d: MISMATCH by %s at byte %llu (%zu into %zu): %02x, not %02x\n", who,
          doing, (unsigned long long)(position + i), i, size, data[i], right[i]);
  _exit(3);
}

static inline void set_blocking(int fd, int blocking) {
  const int flags = fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

/// By poll, select or epoll, drawn from the dice; `events` are POLLIN and POLLOUT.
static inline int await(int fd, int events, uint64_t* dice) {
  switch (next(dice) % 4) {
    case 0: {
      fd_set in, out;
      FD_ZERO(&in);
      FD_ZERO(&out);
      if (events & POLLIN) FD_SET(fd, &in);
      if (events & POLLOUT) FD_SET(fd, &out);
      if (select(fd + 1, &in, &out, NULL, NULL) < 0) fail("select", 0);
      return (FD_ISSET(fd, &in) ? POLLIN : 0) | (FD_ISSET(fd, &out) ? POLLOUT : 0);
    }
    case 1: {
      const int set = epoll_create1(EPOLL_CLOEXEC);
      const int edge = next(dice) % 2 ? (int)EPOLLET : 0;
      struct epoll_event event = {.events = (uint32_t)((events & POLLIN ? EPOLLIN : 0) |
                                                       (events & POLLOUT ? EPOLLOUT : 0) | edge)};
      if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl", 0);
      int count;
      while ((count = epoll_wait(set, &event, 1, -1)) < 0 && errno == EINTR) {
      }
      if (count != 1) fail("epoll_wait", 0);
      close(set);
      return (event.events & EPOLLIN ? POLLIN : 0) | (event.events & EPOLLOUT ? POLLOUT : 0) |
             (event.events & (EPOLLERR | EPOLLHUP) ? POLLIN : 0);
    }
    default: {
      struct pollfd entry = {.fd = fd, .events = (short)events};
      if (poll(&entry, 1, -1) < 0) fail("poll", 0);
      return entry.revents | (entry.revents & (POLLERR | POLLHUP) ? POLLIN : 0);
    }
  }
}

/// One call that sends at most `size` bytes of `data`.
static inline ssize_t send_some(int fd, unsigned char* data, size_t size, uint64_t* dice) {
  struct iovec parts[3] = {{data, size / 3}, {data + size / 3, size / 5}, {0, 0}};
  parts[2].iov_base = data + size / 3 + size / 5;
  parts[2].iov_len = size - size / 3 - size / 5;
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
  switch (next(dice) % 7) {
    case 0:
      return doing = "send", send(fd, data, size, MSG_NOSIGNAL);
    case 1:
      return doing = "writev", writev(fd, parts, 3);
    case 2:
      return doing = "sendmsg", sendmsg(fd, &message, 0);
    case 3:
      return doing = "send DONTWAIT", send(fd, data, size, MSG_DONTWAIT);
    case 4: {
      doing = "sendfile";
      FILE* const file = tmpfile();
      if (!file || fwrite(data, 1, size, file) != size || fflush(file)) fail("tmpfile", 0);
      off_t from = 0;
      const ssize_t sent = sendfile(fd, fileno(file), &from, size);
      const int kept = errno;
      if (sent >= 0 && from != sent) fail("sendfile's offset", 0);
      fclose(file);
      errno = kept;
      return sent;
    }
    default:
      return doing = "write", write(fd, data, size);
  }
}

/// One call that receives at most `size` bytes; what MSG_PEEK shows must come again.
static inline ssize_t receive_some(int fd, unsigned char* data, size_t size, uint64_t* dice) {
  struct iovec parts[2] = {{data, size / 2}, {data + size / 2, size - size / 2}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  switch (next(dice) % 8) {
    case 0:
      return doing = "recv", recv(fd, data, size, 0);
    case 1:
      return doing = "readv", readv(fd, parts, 2);
    case 2:
      return doing = "recvmsg", recvmsg(fd, &message, 0);
    case 3:
      return doing = "recv DONTWAIT", recv(fd, data, size, MSG_DONTWAIT);
    case 4:
      return doing = "recv WAITALL", recv(fd, data, size, MSG_WAITALL);
    case 5: {
      static unsigned char seen[4096];
      doing = "recv PEEK";
      const ssize_t peeked = recv(fd, seen, size < sizeof seen ? size : sizeof seen, MSG_PEEK);
      if (peeked <= 0) return peeked;
      int waiting = 0;
      if (ioctl(fd, FIONREAD, &waiting)) fail("FIONREAD", 1);
      if (waiting < peeked) {
        fprintf(stderr, "role %d: FIONREAD says %d after a peek of %zd\n", who, waiting, peeked);
        _exit(3);
      }
      const ssize_t got = recv(fd, data, (size_t)peeked, 0);
      if (got != peeked || memcmp(seen, data, (size_t)got) != 0) {
        fprintf(stderr, "role %d: MISMATCH: peeked %zd bytes, then got %zd others\n", who, peeked,
                got);
        _exit(3);
      }
      return got;
    }
    default:
      return doing = "read", read(fd, data, size);
  }
}

static inline size_t piece_of(uint64_t left, uint64_t* dice) {
  const uint64_t most = next(dice) % 3 ? kPiece : 1 + next(dice) % 2000;
  return (size_t)(left < most ? left : most);
}

static inline void send_all(int fd, uint64_t seed, int direction, uint64_t* position, uint64_t size,
                            uint64_t* dice) {
  static _Thread_local unsigned char data[kPiece];
  const uint64_t end = *position + size;
  while (*position < end) {
    const size_t piece = piece_of(end - *position, dice);
    fill(data, piece, seed, direction, *position);
    size_t done = 0;
    while (done < piece) {
      const ssize_t sent = send_some(fd, data + done, piece - done, dice);
      if (sent < 0 && errno == EAGAIN) {
        await(fd, POLLOUT, dice);
      } else if (sent < 0) {
        fail("sending", 1);
      } else {
        done += (size_t)sent;
      }
    }
    *position += piece;
  }
}

static inline void peer_gone(uint64_t position) {
  fprintf(stderr, "role %d: by %s: the stream ended at byte %llu\n", who, doing,
          (unsigned long long)position);
  _exit(4);
}

static inline void receive_all(int fd, uint64_t seed, int direction, uint64_t* position,
                               uint64_t size, uint64_t* dice) {
  static _Thread_local unsigned char data[kPiece];
  const uint64_t end = *position + size;
  while (*position < end) {
    const size_t piece = piece_of(end - *position, dice);
    const ssize_t got = receive_some(fd, data, piece, dice);
    if (got < 0 && errno == EAGAIN) {
      await(fd, POLLIN, dice);
      continue;
    }
    if (got < 0) fail("receiving", 1);
    if (got == 0) peer_gone(*position);
    check(data, (size_t)got, seed, direction, *position);
    *position += (uint64_t)got;
  }
}

/// Both directions at once, on a socket that does not block.
static inline void duplex(int fd, uint64_t seed, int role, uint64_t* tx, uint64_t out, uint64_t* rx,
                          uint64_t in, uint64_t* dice) {
  static _Thread_local unsigned char data[kPiece];
  const uint64_t tx_end = *tx + out, rx_end = *rx + in;
  set_blocking(fd, 0);
  while (*tx < tx_end || *rx < rx_end) {
    const int ready = await(fd, (*tx < tx_end ? POLLOUT : 0) | (*rx < rx_end ? POLLIN : 0), dice);
    if (*tx < tx_end && (ready & POLLOUT)) {
      const size_t piece = piece_of(tx_end - *tx, dice);
      fill(data, piece, seed, role, *tx);
      const ssize_t sent = send_some(fd, data, piece, dice);
      if (sent < 0 && errno != EAGAIN) fail("sending", 1);
      if (sent > 0) *tx += (uint64_t)sent;
    }
    if (*rx < rx_end && (ready & POLLIN)) {
      const ssize_t got = receive_some(fd, data, piece_of(rx_end - *rx, dice), dice);
      if (got < 0 && errno != EAGAIN) fail("receiving", 1);
      if (got == 0) peer_gone(*rx);
      if (got > 0) {
        check(data, (size_t)got, seed, 1 - role, *rx);
        *rx += (uint64_t)got;
      }
    }
  }
}

/// The stream ends here, and not before.
static inline void expect_end(int fd, uint64_t position) {
  unsigned char data[64];
  doing = "the end";
  const ssize_t got = recv(fd, data, sizeof data, 0);
  if (got < 0) fail("receiving", 1);
  if (got > 0) {
    fprintf(stderr, "role %d: MISMATCH: %zd bytes after the end at %llu\n", who, got,
            (unsigned long long)position);
    _exit(3);
  }
}

static inline void give_descriptor(int channel, int fd) {
  char byte = 'x';
  struct iovec part = {&byte, 1};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  doing = "SCM_RIGHTS";
  if (sendmsg(channel, &message, 0) != 1) fail("sendmsg", 0);
}

static inline int take_descriptor(int channel) {
  char byte;
  struct iovec part = {&byte, 1};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  doing = "SCM_RIGHTS";
  if (recvmsg(channel, &message, 0) != 1 || !CMSG_FIRSTHDR(&message)) fail("recvmsg", 0);
  int fd;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}
