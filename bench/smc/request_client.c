/* request_client tcp:PORT|unix:PATH CONNECTIONS SECONDS REQUEST RESPONSE
 *
 * A closed loop on each connection: sends the bytes of the file REQUEST, waits for as many bytes as
 * the file RESPONSE has, and again. The first response of each connection must equal RESPONSE but
 * for where that has a NUL (a date); of the others the length counts. One connection blocks in
 * read(), several share an epoll set. Prints how many responses came, and in how many seconds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct content {
  char* data;
  size_t size;
};

struct connection {
  int fd;
  size_t received;
  int checked;
};

static struct content request, response;

static void die(const char* what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static struct content load(const char* path) {
  FILE* const file = fopen(path, "rb");
  if (!file) die(path);
  fseek(file, 0, SEEK_END);
  struct content found = {.size = (size_t)ftell(file)};
  rewind(file);
  found.data = malloc(found.size);
  if (fread(found.data, 1, found.size, file) != found.size) die(path);
  fclose(file);
  return found;
}

static int dial(const char* target) {
  int fd;
  if (strncmp(target, "unix:", 5) == 0) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strncpy(to.sun_path, target + 5, sizeof to.sun_path - 1);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr*)&to, sizeof to)) die(target);
  } else {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((in_port_t)atoi(target + 4));
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr*)&to, sizeof to)) die(target);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return fd;
}

static void ask(struct connection* c) {
  /* A request is small, and the one before it was answered: it always fits. */
  if (write(c->fd, request.data, request.size) != (ssize_t)request.size) die("write");
}

/* Takes what read() gave; whether a response is complete. */
static int take(struct connection* c, const char* data, ssize_t count) {
  if (count <= 0) die("read");
  if (c->received + (size_t)count > response.size) {
    fprintf(stderr, "%zu bytes too many\n", c->received + (size_t)count - response.size);
    exit(1);
  }
  if (!c->checked) {
    for (ssize_t i = 0; i < count; ++i) {
      const char wanted = response.data[c->received + (size_t)i];
      if (wanted != '\0' && wanted != data[i]) {
        fprintf(stderr, "the response differs at byte %zu\n", c->received + (size_t)i);
        exit(1);
      }
    }
  }
  c->received += (size_t)count;
  if (c->received < response.size) return 0;
  c->received = 0;
  c->checked = 1;
  return 1;
}

static long one(struct connection* c, double until) {
  static char data[65536];
  long count = 0;
  do {
    ask(c);
    while (!take(c, data, read(c->fd, data, sizeof data))) {
    }
  } while (++count % 32 != 0 || now() < until);
  return count;
}

static long several(struct connection* all, int connections, double until) {
  static char data[65536];
  struct epoll_event events[64];
  const int set = epoll_create1(0);
  for (int i = 0; i < connections; ++i) {
    fcntl(all[i].fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
    if (epoll_ctl(set, EPOLL_CTL_ADD, all[i].fd, &event)) die("epoll_ctl");
    ask(&all[i]);
  }
  long count = 0;
  int open = connections; /* Those with a request under way: all are answered before the end. */
  int ending = 0;
  while (open > 0) {
    const int found = epoll_wait(set, events, 64, 5000);
    if (found == 0) {
      fputs("no response for 5 s\n", stderr);
      exit(1);
    }
    for (int i = 0; i < found; ++i) {
      struct connection* const c = events[i].data.ptr;
      const ssize_t got = read(c->fd, data, sizeof data);
      if ((got < 0 && errno == EAGAIN) || !take(c, data, got)) continue;
      ++count;
      if (ending)
        --open;
      else
        ask(c);
    }
    ending = ending || now() >= until;
  }
  return count;
}

int main(int argc, char** argv) {
  if (argc != 6) {
    fputs("usage: request_client tcp:PORT|unix:PATH CONNECTIONS SECONDS REQUEST RESPONSE\n",
          stderr);
    return 2;
  }
  const int connections = atoi(argv[2]);
  request = load(argv[4]);
  response = load(argv[5]);
  struct connection* const all = calloc((size_t)connections, sizeof *all);
  for (int i = 0; i < connections; ++i) all[i].fd = dial(argv[1]);
  const double start = now();
  const double until = start + atof(argv[3]);
  const long count = connections == 1 ? one(all, until) : several(all, connections, until);
  printf("%ld %.6f\n", count, now() - start);
  return 0;
}
