/* Lost wake-ups: many connections between two processes, random pauses, a watchdog.
 *
 * wake_stress ECHO DRIVER SECONDS SEED: how the one side waits (level edge once poll select recv, and for
 * the echo `shared`: a level-triggered set in all threads; `churn`: they also take members out of it and
 * put them back), and how the other does. Ends with 1 and a line if a message is not answered within LIMIT seconds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 24, THREADS = 3, LIMIT = 3, MOST = 150000 };

static const char *how;
static int fds[CONNECTIONS];
static int shared_set;
static pthread_mutex_t busy[CONNECTIONS]; /* One thread at a time answers. */
static double end_at;
static _Atomic(int64_t) waiting_since[THREADS];
static atomic_int waiting_for[THREADS];
static atomic_long answered;
static unsigned seed;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *what) {
  fprintf(stderr, "wake_stress %s seed %u: %s: %s\n", how, seed, what, strerror(errno));
  _exit(1);
}

static int is(const char *mode) { return strcmp(how, mode) == 0; }
static int is_shared(void) { return is("shared") || is("churn"); }
static int by_epoll(void) { return is("level") || is("edge") || is("once") || is_shared(); }

static uint32_t events_of(void) {
  return EPOLLIN | (is("edge") ? (uint32_t)EPOLLET : 0) | (is("once") ? (uint32_t)EPOLLONESHOT : 0);
}

static int make_set(void) {
  const int set = epoll_create1(0);
  if (set < 0) fail("epoll_create1");
  return set;
}

static void join(int set, int operation, int index) {
  struct epoll_event event = {.events = events_of(), .data = {.u32 = (uint32_t)index}};
  if (epoll_ctl(set, operation, fds[index], &event) != 0) fail("epoll_ctl");
}

/* Waits till one of [first, last) is readable; its index. `set` is of these. */
static int await(int set, int first, int last) {
  if (by_epoll()) {
    struct epoll_event event;
    const int found = epoll_wait(set, &event, 1, -1);
    if (found < 0) fail("epoll_wait");
    return (int)event.data.u32;
  }
  if (is("poll")) {
    struct pollfd list[CONNECTIONS];
    for (int i = first; i < last; ++i) list[i - first] = (struct pollfd){fds[i], POLLIN, 0};
    if (poll(list, (nfds_t)(last - first), -1) < 1) fail("poll");
    for (int i = first; i < last; ++i)
      if (list[i - first].revents != 0) return i;
    fail("poll says nothing");
  }
  fd_set readable;
  FD_ZERO(&readable);
  int most = 0;
  for (int i = first; i < last; ++i) {
    FD_SET(fds[i], &readable);
    if (fds[i] > most) most = fds[i];
  }
  if (select(most + 1, &readable, NULL, NULL, NULL) < 1) fail("select");
  for (int i = first; i < last; ++i)
    if (FD_ISSET(fds[i], &readable)) return i;
  fail("select says nothing");
  return 0;
}

static void send_all(int fd, const char *bytes, size_t count) {
  while (count > 0) {
    const ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) {
      struct pollfd one = {fd, POLLOUT, 0};
      poll(&one, 1, 1000);
      continue;
    }
    if (sent < 0) _exit(0); /* The other side has seen the end. */
    bytes += sent;
    count -= (size_t)sent;
  }
}

static void pause_randomly(unsigned *random) {
  switch (rand_r(random) % 8) {
    case 0: usleep((useconds_t)(rand_r(random) % 200)); break;
    case 1: usleep((useconds_t)(rand_r(random) % 20)); break;
    case 2: {
      const double until = now() + (double)(rand_r(random) % 60) * 1e-6;
      while (now() < until) continue;
      break;
    }
    case 3:
      if (rand_r(random) % 16 == 0) usleep((useconds_t)(rand_r(random) % 200000));
      break;
    default: break;
  }
}

/* While others sleep on the set. */
static void leave_and_return(int set, int index, unsigned *random) {
  struct epoll_event deaf = {.events = 0, .data = {.u32 = (uint32_t)index}};
  const int leaves = rand_r(random) % 2;
  if (epoll_ctl(set, leaves ? EPOLL_CTL_DEL : EPOLL_CTL_MOD, fds[index], &deaf) != 0) fail("epoll_ctl");
  pause_randomly(random);
  join(set, leaves ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, index);
}

/* Echoes what comes. Without blocking it reads to the end, as an edge demands. */
static void *echo(void *argument) {
  const int self = (int)(intptr_t)argument;
  const int blocks = is("recv");
  const int share = CONNECTIONS / THREADS;
  int first = self * share, last = first + share;
  if (blocks) {
    first = self;
    last = self + 1;
  }
  int set = -1;
  if (is("once") || is_shared()) {
    set = shared_set;
  } else if (by_epoll()) {
    set = make_set();
    for (int i = first; i < last; ++i) join(set, EPOLL_CTL_ADD, i);
  }
  char *bytes = malloc(MOST);
  unsigned random = seed + (unsigned)self;
  for (;;) {
    const int index = blocks ? first : await(set, first, last);
    if (is_shared() && pthread_mutex_trylock(&busy[index]) != 0) continue;
    if (is("churn") && rand_r(&random) % 4 == 0) leave_and_return(set, index, &random);
    for (;;) {
      const ssize_t got = recv(fds[index], bytes, MOST, 0);
      if (got == 0) _exit(0);
      if (got < 0 && errno == EAGAIN) break;
      if (got < 0) fail("recv");
      pause_randomly(&random);
      send_all(fds[index], bytes, (size_t)got);
      if (blocks || is("level") || is("poll") || is("select")) break;
    }
    if (is("once")) join(set, EPOLL_CTL_MOD, index);
    if (is_shared()) pthread_mutex_unlock(&busy[index]);
  }
  return NULL;
}

static void *drive(void *argument) {
  const int self = (int)(intptr_t)argument;
  const int share = CONNECTIONS / THREADS;
  const int first = self * share, last = first + share;
  const int set = by_epoll() ? make_set() : -1;
  if (set >= 0)
    for (int i = first; i < last; ++i) join(set, EPOLL_CTL_ADD, i);
  char *bytes = malloc(MOST), *back = malloc(MOST);
  unsigned random = seed + 100 + (unsigned)self;
  for (long round = 0; now() < end_at; ++round) {
    const int index = first + rand_r(&random) % share;
    size_t size = 1 + (size_t)rand_r(&random) % 2000;
    if (rand_r(&random) % 64 == 0) size = (size_t)rand_r(&random) % MOST + 1;
    memset(bytes, (int)round, size);
    waiting_for[self] = index;
    waiting_since[self] = (int64_t)(now() * 1e6);
    send_all(fds[index], bytes, size);
    size_t done = 0;
    while (done < size) {
      if (!is("recv") && await(set, first, last) != index) fail("another is readable");
      for (;;) {
        const ssize_t got = recv(fds[index], back + done, size - done, 0);
        if (got < 0 && errno == EAGAIN) break;
        if (got <= 0) fail("recv");
        done += (size_t)got;
        if (done == size || !is("edge")) break;
      }
      if (is("once")) join(set, EPOLL_CTL_MOD, index);
    }
    if (memcmp(bytes, back, size) != 0) fail("other bytes came back");
    waiting_since[self] = 0;
    ++answered;
    pause_randomly(&random);
  }
  return NULL;
}

int main(int count, char **words) {
  if (count < 5) return 2;
  seed = (unsigned)atoi(words[4]);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 64) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &size) != 0)
    fail("listen");
  const pid_t child = fork();
  how = child == 0 ? words[1] : words[2];
  const int one = 1;
  for (int i = 0; i < CONNECTIONS; ++i) {
    if (child == 0) {
      fds[i] = accept(listener, NULL, NULL);
    } else {
      fds[i] = socket(AF_INET, SOCK_STREAM, 0);
      if (connect(fds[i], (struct sockaddr *)&address, size) != 0) fail("connect");
    }
    setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!is("recv")) fcntl(fds[i], F_SETFL, O_NONBLOCK);
  }
  close(listener);
  end_at = now() + atof(words[3]);
  if (child == 0) {
    const int threads = is("recv") ? CONNECTIONS : THREADS;
    if (is("once") || is_shared()) {
      shared_set = make_set();
      for (int i = 0; i < CONNECTIONS; ++i) pthread_mutex_init(&busy[i], NULL);
      for (int i = 0; i < CONNECTIONS; ++i) join(shared_set, EPOLL_CTL_ADD, i);
    }
    pthread_t thread;
    for (int i = 0; i < threads; ++i) pthread_create(&thread, NULL, echo, (void *)(intptr_t)i);
    pause();
  }
  pthread_t thread[THREADS];
  for (int i = 0; i < THREADS; ++i)
    pthread_create(&thread[i], NULL, drive, (void *)(intptr_t)i);
  while (now() < end_at) {
    usleep(20000);
    for (int i = 0; i < THREADS; ++i) {
      const int64_t since = waiting_since[i];
      if (since == 0 || (double)since * 1e-6 + LIMIT > now()) continue;
      fprintf(stderr, "wake_stress %s-%s seed %u: connection %d not answered in %d s\n", words[1], words[2],
              seed, waiting_for[i], LIMIT);
      if (getenv("WAKE_STRESS_STAY")) pause();
      kill(child, SIGKILL);
      _exit(1);
    }
  }
  for (int i = 0; i < THREADS; ++i) pthread_join(thread[i], NULL);
  printf("%s-%s: %ld answered\n", words[1], words[2], answered);
  kill(child, SIGKILL);
  return 0;
}
