// Internal: both ends of a connection in one process, warm enough to go by rings under Leat; and
// system calls that no library sees.
#ifndef LEAT_TESTS_PRELOAD_LOCAL_PAIR_H
#define LEAT_TESTS_PRELOAD_LOCAL_PAIR_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel's own result, by an instruction. */
static inline long bare_call(long number, long a, long b, long c) {
#if defined(__x86_64__)
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
#endif
}

static inline void check(int holds, const char* what) {
  if (holds) return;
  printf("%s: %s\n", what, strerror(errno));
  exit(1);
}

static inline void exchange(int from, int to) {
  char bytes[8];
  check(send(from, "warm up!", 8, 0) == 8, "send");
  check(recv(to, bytes, 8, MSG_WAITALL) == 8, "recv");
}

static inline void warm(int one, int other) {
  for (int i = 0; i < 40; ++i) {
    exchange(one, other);
    exchange(other, one);
  }
}

static inline int listen_on(struct sockaddr_in* name) {
  socklen_t size = sizeof *name;
  memset(name, 0, sizeof *name);
  name->sin_family = AF_INET;
  name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  check(bind(listener, (struct sockaddr*)name, sizeof *name) == 0, "bind");
  check(listen(listener, 8) == 0, "listen");
  check(getsockname(listener, (struct sockaddr*)name, &size) == 0, "getsockname");
  return listener;
}

/* `accepted` has the higher number. */
static inline void make_pair(int* connected, int* accepted) {
  struct sockaddr_in name;
  const int listener = listen_on(&name);
  *connected = socket(AF_INET, SOCK_STREAM, 0);
  check(connect(*connected, (struct sockaddr*)&name, sizeof name) == 0, "connect");
  *accepted = accept(listener, NULL, NULL);
  close(listener);
  warm(*connected, *accepted);
}

struct scenario {
  const char* name;
  void (*run)(void);
};

/* Runs those that the arguments name, or all. */
static inline int run_scenarios(const struct scenario* all, size_t count, int arguments,
                                char** names) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (size_t i = 0; i < count; ++i) {
    int wanted = arguments < 2;
    for (int k = 1; k < arguments; ++k) wanted |= strcmp(names[k], all[i].name) == 0;
    if (!wanted) continue;
    printf("%s\n", all[i].name);
    alarm(60);
    all[i].run();
  }
  return 0;
}

#endif
