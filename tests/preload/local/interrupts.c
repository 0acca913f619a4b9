/* Signals, cancelled threads and jumps out of handlers, in calls on a connection. Prints what it
 * sees; under Leat that must be what it is without. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>

#include "tests/preload/local/pair.h"

static int one;
static int other;
static volatile sig_atomic_t handled;

static void handle(int signal) {
  (void)signal;
  ++handled;
}

static void on_alarm(int flags) {
  struct sigaction action = {.sa_handler = handle, .sa_flags = flags};
  sigaction(SIGUSR1, &action, NULL);
}

static void after(int milliseconds, pthread_t thread, int signal) {
  const struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  nanosleep(&time, NULL);
  pthread_kill(thread, signal);
}

/* A second thread interrupts the first after a while, then lets it go on. */
static pthread_t first;
static int delay;
static void* interrupt(void* argument) {
  (void)argument;
  after(delay, first, SIGUSR1);
  const struct timespec time = {0, 150000000};
  nanosleep(&time, NULL);
  check(send(one, "x", 1, 0) == 1, "send");
  return NULL;
}

static void tell(const char* name, int flags, long result, int error) {
  printf("%s after %d ms %s: %ld %s, %d handled\n", name, delay,
         (flags & SA_RESTART) != 0 ? "restarting" : "ending", result,
         result < 0 ? strerror(error) : "", (int)handled);
}

static long by_recv(void) {
  char byte;
  return recv(other, &byte, 1, 0);
}
static long by_limited_recv(void) {
  const struct timeval limit = {5, 0};
  const struct timeval none = {0, 0};
  setsockopt(other, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const long result = by_recv();
  const int error = errno;
  setsockopt(other, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
  errno = error;
  return result;
}
static long by_poll(void) {
  struct pollfd wanted = {other, POLLIN, 0};
  return poll(&wanted, 1, 5000);
}
static long by_select(void) {
  fd_set wanted;
  FD_ZERO(&wanted);
  FD_SET(other, &wanted);
  return select(other + 1, &wanted, NULL, NULL, NULL);
}
static int set;
static long by_epoll(void) {
  struct epoll_event event;
  return epoll_wait(set, &event, 1, 5000);
}
static long by_peek(void) {
  char bytes[4];
  return recv(other, bytes, 4, MSG_PEEK | MSG_WAITALL);
}

struct call {
  const char* name;
  long (*make)(void);
};
static const struct call calls[] = {{"recv", by_recv},
                                    {"recv with limit", by_limited_recv},
                                    {"poll", by_poll},
                                    {"select", by_select},
                                    {"epoll_wait", by_epoll}};
enum { kCalls = sizeof calls / sizeof *calls };

static void make_set(void) {
  set = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  check(epoll_ctl(set, EPOLL_CTL_ADD, other, &event) == 0, "epoll_ctl");
}

static void drain(void) {
  char bytes[16];
  while (recv(other, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
  }
}

/* In the futex, and in the kernel's own sleep after it. */
static void signals(void) {
  make_pair(&one, &other);
  make_set();
  first = pthread_self();
  for (int i = 0; i < kCalls; ++i) {
    for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
      for (delay = 30; delay <= 230; delay += 200) {
        on_alarm(flags);
        handled = 0;
        pthread_t thread;
        pthread_create(&thread, NULL, interrupt, NULL);
        const long result = calls[i].make();
        tell(calls[i].name, flags, result, errno);
        pthread_join(thread, NULL);
        drain();
      }
    }
  }
  close(set);
  close(one);
  close(other);
}

static long (*cancelled_call)(void);
static void* run_call(void* argument) {
  (void)argument;
  cancelled_call();
  return NULL;
}
static char big[1 << 20];
static __attribute__((noreturn)) long by_send(void) {
  for (;;) check(send(one, big, sizeof big, 0) > 0, "send");
}
static int listener;
static long by_accept(void) {
  return accept(listener, NULL, NULL);
}
static __attribute__((noreturn)) long by_busy(void) {
  /* Never sleeps: what it reads is there. */
  char byte = 'x';
  for (;;) {
    check(send(one, &byte, 1, 0) == 1, "send");
    check(recv(other, &byte, 1, 0) == 1, "recv");
  }
}

static void cancel(const char* name, long (*call)(void)) {
  cancelled_call = call;
  for (int milliseconds = 20; milliseconds <= 220; milliseconds += 200) {
    pthread_t thread;
    check(pthread_create(&thread, NULL, run_call, NULL) == 0, "pthread_create");
    const struct timespec time = {0, milliseconds * 1000000L};
    nanosleep(&time, NULL);
    pthread_cancel(thread);
    void* result = NULL;
    pthread_join(thread, &result);
    printf("%s after %d ms %s\n", name, milliseconds,
           result == PTHREAD_CANCELED ? "cancelled" : "returned");
    drain();
    if (call == by_busy || call == by_send) {
      const struct timespec moment = {0, 20000000};
      nanosleep(&moment, NULL);
      drain();
    }
    warm(one, other);
  }
}

/* Nothing is held by a thread that was cancelled: the same ends go on. */
static void cancelled(void) {
  make_pair(&one, &other);
  make_set();
  struct sockaddr_in name;
  listener = listen_on(&name);
  for (int i = 0; i < kCalls; ++i) cancel(calls[i].name, calls[i].make);
  cancel("peek", by_peek);
  cancel("accept", by_accept);
  cancel("busy", by_busy);
  cancel("send", by_send);
  /* What the cancelled send has left. */
  close(listener);
  close(set);
  close(one);
  close(other);
}

static sigjmp_buf back;
static void jump(int signal) {
  (void)signal;
  siglongjmp(back, 1);
}

/* The copy meets a page that is not there, with the lock of its direction held; the handler never
 * returns. TCP says EFAULT. */
static char* hole;
static void fault(int receives, int* deeper) {
  if (sigsetjmp(back, 1) == 0) {
    if (receives) {
      (void)recv(other, hole, 4096, 0);
    } else {
      (void)send(one, hole, 4096, 0);
    }
  }
  *deeper = 0;
}

static __attribute__((noinline)) long deep_exchange(int depth) {
  volatile char room[4096];
  memset((char*)room, depth, sizeof room);
  if (depth > 0) return deep_exchange(depth - 1) + room[5] - room[6];
  exchange(one, other);
  return 0;
}

static void jumps(void) {
  make_pair(&one, &other);
  struct sigaction action = {.sa_handler = jump};
  sigaction(SIGSEGV, &action, NULL);
  hole = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int deeper = 0;
  for (int depth = 0; depth < 4; depth += 3) {
    for (int i = 0; i < 3; ++i) {
      fault(0, &deeper);
      deep_exchange(depth);
      check(send(one, "after it", 8, 0) == 8, "send");
      fault(1, &deeper);
      char bytes[9] = "";
      check(recv(other, bytes, 8, MSG_WAITALL) == 8, "recv");
      printf("jump %d at depth %d: %s\n", i, depth, bytes);
      fault(0, &deeper);
      deep_exchange(depth);
    }
  }
  /* Out of sleeps. */
  action.sa_handler = jump;
  sigaction(SIGUSR1, &action, NULL);
  make_set();
  first = pthread_self();
  for (int i = 0; i < kCalls; ++i) {
    delay = 40;
    pthread_t thread;
    pthread_create(&thread, NULL, interrupt, NULL);
    if (sigsetjmp(back, 1) == 0) calls[i].make();
    pthread_join(thread, NULL);
    drain();
    warm(one, other);
    struct epoll_event event;
    check(send(one, "x", 1, 0) == 1, "send");
    printf("jump out of %s, then %d\n", calls[i].name, epoll_wait(set, &event, 1, 5000));
    drain();
  }
  close(set);
  close(one);
  close(other);
}

int main(int arguments, char** names) {
  static const struct scenario all[] = {
      {"signals", signals}, {"cancelled", cancelled}, {"jumps", jumps}};
  return run_scenarios(all, sizeof all / sizeof *all, arguments, names);
}
