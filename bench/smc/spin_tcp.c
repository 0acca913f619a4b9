/* A preload that only makes plain TCP spin: calls that would sleep are asked again and again,
 * without waiting, for SPIN_TCP_US microseconds (200), and sleep then as they always did.
 *
 * It stands beside every spinning row of `./dev bench smc`: what it wins is won by polling, and is
 * no merit of shared memory. Nothing here is fit for use. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static long long budget_ns = 200000;

static ssize_t (*real_read)(int, void*, size_t);
static ssize_t (*real_recvfrom)(int, void*, size_t, int, struct sockaddr*, socklen_t*);
static int (*real_epoll_wait)(int, struct epoll_event*, int, int);
static int (*real_poll)(struct pollfd*, nfds_t, int);
static int (*real_select)(int, fd_set*, fd_set*, fd_set*, struct timeval*);

static void begin(void) {
  const char* text = getenv("SPIN_TCP_US");
  if (text) budget_ns = atoll(text) * 1000;
  real_read = dlsym(RTLD_NEXT, "read");
  real_epoll_wait = dlsym(RTLD_NEXT, "epoll_wait");
  real_poll = dlsym(RTLD_NEXT, "poll");
  real_select = dlsym(RTLD_NEXT, "select");
  __atomic_store_n(&real_recvfrom, dlsym(RTLD_NEXT, "recvfrom"), __ATOMIC_RELEASE);
}

__attribute__((constructor)) static void ready(void) {
  /* Allocators and others call read() before they are constructed. */
  if (!__atomic_load_n(&real_recvfrom, __ATOMIC_ACQUIRE)) begin();
}

static long long now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

ssize_t recvfrom(int fd, void* data, size_t size, int flags, struct sockaddr* from,
                 socklen_t* length) {
  ready();
  if (flags & (MSG_DONTWAIT | MSG_WAITALL))
    return real_recvfrom(fd, data, size, flags, from, length);
  long long until = 0;
  for (;;) {
    const ssize_t got = real_recvfrom(fd, data, size, flags | MSG_DONTWAIT, from, length);
    if (got >= 0 || errno != EAGAIN) return got;
    if (until == 0) {
      if (fcntl(fd, F_GETFL) & O_NONBLOCK) {
        errno = EAGAIN;
        return got;
      }
      until = now_ns() + budget_ns;
    } else if (now_ns() > until) {
      return real_recvfrom(fd, data, size, flags, from, length);
    }
  }
}

ssize_t recv(int fd, void* data, size_t size, int flags) {
  return recvfrom(fd, data, size, flags, NULL, NULL);
}

ssize_t read(int fd, void* data, size_t size) {
  ready();
  const int before = errno;
  const ssize_t got = recvfrom(fd, data, size, 0, NULL, NULL);
  if (got >= 0 || errno != ENOTSOCK) return got;
  errno = before;
  return real_read(fd, data, size);
}

int epoll_wait(int set, struct epoll_event* events, int most, int timeout_ms) {
  ready();
  if (timeout_ms != 0) {
    const long long until = now_ns() + budget_ns;
    do {
      const int count = real_epoll_wait(set, events, most, 0);
      if (count != 0) return count;
    } while (now_ns() < until);
  }
  return real_epoll_wait(set, events, most, timeout_ms);
}

int poll(struct pollfd* entries, nfds_t count, int timeout_ms) {
  ready();
  if (timeout_ms != 0) {
    const long long until = now_ns() + budget_ns;
    do {
      const int found = real_poll(entries, count, 0);
      if (found != 0) return found;
    } while (now_ns() < until);
  }
  return real_poll(entries, count, timeout_ms);
}

int select(int count, fd_set* readable, fd_set* writable, fd_set* exceptional,
           struct timeval* limit) {
  ready();
  fd_set* const sets[3] = {readable, writable, exceptional};
  fd_set kept[3];
  for (int i = 0; i < 3; ++i) {
    if (sets[i]) kept[i] = *sets[i];
  }
  if (!limit || limit->tv_sec || limit->tv_usec) {
    const long long until = now_ns() + budget_ns;
    do {
      struct timeval none = {0, 0};
      const int found = real_select(count, readable, writable, exceptional, &none);
      if (found != 0) return found;
      for (int i = 0; i < 3; ++i) {
        if (sets[i]) *sets[i] = kept[i];
      }
    } while (now_ns() < until);
  }
  return real_select(count, readable, writable, exceptional, limit);
}
