/* What becomes of a socket: connected again, in the epoll set it was in. Prints what it sees; under
 * Leat that must be what it is without. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <time.h>

#include "tests/preload/local/pair.h"

static void* send_later(void* argument) {
  usleep(20000);
  check(send(*(int*)argument, "word", 4, 0) == 4, "send");
  return NULL;
}

/* connect() to AF_UNSPEC, then to another: the registration is the socket's. */
static void reconnected(void) {
  int one = -1;
  int other = -1;
  make_pair(&one, &other);
  const int set = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data = {.u32 = 7}};
  check(epoll_ctl(set, EPOLL_CTL_ADD, one, &event) == 0, "epoll_ctl");
  for (int round = 0; round < 3; ++round) {
    check(send(other, "lost", 4, 0) == 4, "send");
    check(send(one, "lost", 4, 0) == 4, "send");
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    check(connect(one, &none, sizeof none) == 0, "connect to nothing");
    char bytes[8];
    long got = 0;
    while ((got = recv(other, bytes, sizeof bytes, 0)) > 0) {
    }
    printf("the other end: %ld %s\n", got, got < 0 ? strerror(errno) : "");
    close(other);
    struct sockaddr_in name;
    const int listener = listen_on(&name);
    check(connect(one, (struct sockaddr*)&name, sizeof name) == 0, "connect again");
    other = accept(listener, NULL, NULL);
    close(listener);
    warm(one, other);
    for (int i = 0; i < 3; ++i) {
      printf("nothing: %d\n", epoll_wait(set, &event, 1, 0));
      check(send(other, "word", 4, 0) == 4, "send");
      const int count = epoll_wait(set, &event, 1, 3000);
      printf("told %d: %x of %u\n", count, event.events, event.data.u32);
      check(recv(one, bytes, 4, MSG_WAITALL) == 4, "recv");
    }
  }
  check(epoll_ctl(set, EPOLL_CTL_DEL, one, NULL) == 0, "epoll_ctl");
  close(set);
  close(one);
  close(other);
}

/* close() with nothing left to read but what woke the reader: the other end sees an end, no reset.
 */
static void closed_politely(void) {
  for (int round = 0; round < 3; ++round) {
    int one = -1;
    int other = -1;
    make_pair(&one, &other);
    const int set = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    check(epoll_ctl(set, EPOLL_CTL_ADD, other, &event) == 0, "epoll_ctl");
    pthread_t thread;
    pthread_create(&thread, NULL, send_later, &one);
    check(epoll_wait(set, &event, 1, 3000) == 1, "epoll_wait");
    pthread_join(thread, NULL);
    char bytes[4];
    check(recv(other, bytes, 4, MSG_WAITALL) == 4, "recv");
    close(set);
    close(other);
    struct pollfd ended = {one, POLLIN | POLLRDHUP, 0};
    check(poll(&ended, 1, 3000) == 1, "poll");
    printf("closed: %x\n", (unsigned)ended.revents);
    close(one);
  }
}

/* A reader that sleeps where only rings wake it, and a writer that leaves them: by TCP the bytes
 * come at once as well. */
static long long now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}
static void* receive_one(void* argument) {
  char byte;
  check(recv(*(int*)argument, &byte, 1, 0) == 1, "recv");
  return NULL;
}
static void left_rings(void) {
  long long least = 1000000;
  for (int round = 0; round < 6; ++round) {
    int one = -1;
    int other = -1;
    make_pair(&one, &other);
    pthread_t thread;
    pthread_create(&thread, NULL, receive_one, &other);
    usleep(5000);
    const long long begin = now_us();
    /* Without SO_ZEROCOPY the flag means nothing to TCP; a ring does not take it. */
    check(send(one, "x", 1, MSG_ZEROCOPY) == 1, "send");
    pthread_join(thread, NULL);
    const long long took = now_us() - begin;
    if (took < least) least = took;
    close(one);
    close(other);
  }
  printf("at once: %d\n", least < 30000);
}

int main(int arguments, char** names) {
  static const struct scenario all[] = {{"reconnected", reconnected},
                                        {"closed_politely", closed_politely},
                                        {"left_rings", left_rings}};
  return run_scenarios(all, sizeof all / sizeof *all, arguments, names);
}
