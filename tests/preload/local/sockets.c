/* What becomes of a socket: connected again, in the epoll set it was in. Prints what it sees; under
 * Leat that must be what it is without. */
#define _GNU_SOURCE
#include <sys/epoll.h>

#include "tests/preload/local/pair.h"

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

int main(int arguments, char** names) {
  static const struct scenario all[] = {{"reconnected", reconnected}};
  return run_scenarios(all, sizeof all / sizeof *all, arguments, names);
}
