/* worker server SEED | worker client SEED PORT | worker resume FD SEED ROLE STEP TX RX
 *
 * One end of a connection whose bytes, sizes and order follow from SEED, so that each end knows
 * what it must send and get; how it does so (which calls, blocking or not, which wait) is its own
 * dice. Between steps the connection may go to a child, a new image, a static image, a thread, or
 * another process by SCM_RIGHTS. Ends with 0  every byte came once, in order, and then the end of
 * the stream 3  it did not: printed 4  the peer went before the end (right only if somebody killed
 * it)
 *
 * The server prints its port. SOAK_STATIC names the static build of this program, SOAK_LOG a file
 * to which each transition appends its name. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

#include "calls.h"

extern char** environ;

struct state {
  int fd;
  uint64_t seed;
  int role; /* 0 is the client; role r sends in direction r. */
  int step;
  uint64_t tx, rx;
};

static void note(const char* what) {
  const char* path = getenv("SOAK_LOG");
  if (!path) return;
  const int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd < 0) return;
  char line[64];
  const int size = snprintf(line, sizeof line, "%s\n", what);
  if (write(fd, line, (size_t)size) != size) abort();
  close(fd);
}

static int steps_of(uint64_t seed) {
  return 4 + (int)(mix(seed ^ 0x57e9) % 12);
}

static uint64_t size_of(uint64_t* dice) {
  /* One in sixteen is more than a ring holds. */
  static const uint64_t most[16] = {8,    8,    200,  200,    200,    5000,   5000,    5000,
                                    5000, 5000, 5000, 100000, 100000, 100000, 1000000, 7000000};
  return 1 + next(dice) % most[next(dice) % 16];
}

static void put(struct state* s, uint64_t size, uint64_t* dice) {
  send_all(s->fd, s->seed, s->role, &s->tx, size, dice);
}

static void get(struct state* s, uint64_t size, uint64_t* dice) {
  receive_all(s->fd, s->seed, 1 - s->role, &s->rx, size, dice);
}

/* Both ends draw the step from `common`, what is their own business from `own`. */
static void do_step(struct state* s) {
  uint64_t common = mix(s->seed * 1000 + (uint64_t)s->step);
  uint64_t own = mix(common + 77 + (uint64_t)s->role);
  set_blocking(s->fd, next(&own) % 2);
  switch (next(&common) % 4) {
    case 0: { /* Questions and answers. */
      const uint64_t rounds = 1 + next(&common) % 300;
      const uint64_t question = 1 + next(&common) % 3000, answer = 1 + next(&common) % 3000;
      const int asks = (int)(next(&common) % 2);
      for (uint64_t i = 0; i < rounds; ++i) {
        if (asks == s->role)
          put(s, question, &own);
        else
          get(s, question, &own);
        if (asks == s->role)
          get(s, answer, &own);
        else
          put(s, answer, &own);
      }
      break;
    }
    case 1: { /* A stream one way. */
      const uint64_t size = size_of(&common);
      if ((int)(next(&common) % 2) == s->role)
        put(s, size, &own);
      else
        get(s, size, &own);
      break;
    }
    case 2: { /* Both write first, then both read: never more than TCP takes by itself. */
      const uint64_t size = 1 + next(&common) % 60000;
      put(s, size, &own);
      get(s, size, &own);
      break;
    }
    default: { /* Both ways at once. */
      const uint64_t up = size_of(&common), down = size_of(&common);
      duplex(s->fd, s->seed, s->role, &s->tx, s->role ? down : up, &s->rx, s->role ? up : down,
             &own);
    }
  }
}

static void play(struct state* s);

static void become(const char* program, struct state* s) {
  char fd[16], seed[32], role[4], step[16], tx[32], rx[32];
  snprintf(fd, sizeof fd, "%d", s->fd);
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->seed);
  snprintf(role, sizeof role, "%d", s->role);
  snprintf(step, sizeof step, "%d", s->step);
  snprintf(tx, sizeof tx, "%llu", (unsigned long long)s->tx);
  snprintf(rx, sizeof rx, "%llu", (unsigned long long)s->rx);
  char* words[] = {(char*)program, "resume", fd, seed, role, step, tx, rx, NULL};
  fcntl(s->fd, F_SETFD, 0);
  execv(program, words);
  fail("execv", 0);
}

static const char* own_program(void) {
  static char path[512];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
  if (size < 0) fail("readlink", 0);
  path[size] = '\0';
  return path;
}

/* Ends as the child did. */
static void follow(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void pass_to_child(struct state* s, const char* program) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) fail("socketpair", 0);
  const pid_t child = fork();
  if (child < 0) fail("fork", 0);
  if (child == 0) {
    close(pair[0]);
    close(s->fd);
    if (program) {
      s->fd = -1;
      dup2(pair[1], 0); /* `resume -1` takes it from its standard input. */
      become(program, s);
    }
    s->fd = take_descriptor(pair[1]);
    close(pair[1]);
    play(s);
  }
  close(pair[1]);
  give_descriptor(pair[0], s->fd);
  close(s->fd);
  char end;
  (void)!read(pair[0], &end, 1); /* Till the child has it. */
  close(pair[0]);
  follow(child);
}

static void* step_in_thread(void* argument) {
  do_step(argument);
  return NULL;
}

/* A change of who holds the connection; some do not come back. */
static void transition(struct state* s, uint64_t* dice) {
  const char* const other = getenv("SOAK_STATIC");
  pid_t child;
  pthread_t thread;
  switch (next(dice) % 24) {
    case 0:
    case 1:
      note("fork, the child goes on");
      child = fork();
      if (child < 0) fail("fork", 0);
      if (child > 0) {
        if (next(dice) % 2) close(s->fd);
        follow(child);
      }
      break;
    case 2:
      note("fork, the parent goes on");
      child = fork();
      if (child < 0) fail("fork", 0);
      if (child == 0) {
        usleep((useconds_t)(next(dice) % 100000));
        _exit(0);
      }
      break;
    case 3: {
      note("dup");
      const int copy = dup(s->fd);
      if (copy < 0) fail("dup", 0);
      close(s->fd);
      s->fd = copy;
      break;
    }
    case 4: {
      note("dup2 over another socket");
      const int copy = socket(AF_INET, SOCK_STREAM, 0);
      if (dup2(s->fd, copy) != copy) fail("dup2", 0);
      close(s->fd);
      s->fd = copy;
      break;
    }
    case 5:
      note("exec");
      become(own_program(), s);
      break;
    case 6:
    case 7:
      if (!other) break;
      note("exec of a static program");
      become(other, s);
      break;
    case 8:
      note("passed to a child");
      pass_to_child(s, NULL);
      break;
    case 9:
      if (!other) break;
      note("passed to a static program");
      pass_to_child(s, other);
      break;
    case 10:
      note("a thread");
      if (s->step + 1 >= steps_of(s->seed)) break;
      if (pthread_create(&thread, NULL, step_in_thread, s)) fail("pthread_create", 0);
      pthread_join(thread, NULL);
      ++s->step;
      break;
    case 11: {
      note("posix_spawn beside it");
      char* words[] = {"true", NULL};
      if (posix_spawnp(&child, "true", NULL, NULL, words, environ) == 0) waitpid(child, NULL, 0);
      break;
    }
    case 12:
    case 13:
      note("a pause");
      usleep((useconds_t)(next(dice) % 300000));
      break;
    default:
      break;
  }
}

static void play(struct state* s) {
  const int steps = steps_of(s->seed);
  while (s->step < steps) {
    do_step(s);
    ++s->step;
    uint64_t dice = mix(s->seed * 31 + (uint64_t)s->step * 2 + (uint64_t)s->role);
    if (s->step < steps) transition(s, &dice);
  }
  uint64_t dice = mix(s->seed * 37 + (uint64_t)s->role);
  set_blocking(s->fd, 1);
  if (next(&dice) % 2) usleep((useconds_t)(next(&dice) % 20000));
  if (shutdown(s->fd, SHUT_WR)) fail("shutdown", 1);
  expect_end(s->fd, s->rx);
  close(s->fd);
  _exit(0);
}

static int listen_and_accept(void) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof in;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr*)&in, sizeof in) || listen(listener, 1) ||
      getsockname(listener, (struct sockaddr*)&in, &size))
    fail("listen", 0);
  printf("%d\n", ntohs(in.sin_port));
  fflush(stdout);
  /* A client that is killed early never comes. */
  struct pollfd entry = {.fd = listener, .events = POLLIN};
  if (poll(&entry, 1, 8000) != 1) _exit(4);
  const int fd = accept(listener, NULL, NULL);
  if (fd < 0) fail("accept", 0);
  close(listener);
  return fd;
}

static int dial(const char* port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  to.sin_port = htons((in_port_t)atoi(port));
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr*)&to, sizeof to)) fail("connect", 1);
  return fd;
}

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  if (argc < 3) {
    fputs("usage: worker server SEED | worker client SEED PORT\n", stderr);
    return 2;
  }
  struct state s = {.seed = strtoull(argv[2], NULL, 10)};
  if (strcmp(argv[1], "server") == 0) {
    s.role = 1;
    s.fd = listen_and_accept();
  } else if (strcmp(argv[1], "client") == 0) {
    s.fd = dial(argv[3]);
  } else {
    s.fd = atoi(argv[2]);
    s.seed = strtoull(argv[3], NULL, 10);
    s.role = atoi(argv[4]);
    s.step = atoi(argv[5]);
    s.tx = strtoull(argv[6], NULL, 10);
    s.rx = strtoull(argv[7], NULL, 10);
    if (s.fd < 0) {
      s.fd = take_descriptor(0);
      close(0);
    }
  }
  who = (int)s.role;
  /* Else questions of several pieces wait for delayed acknowledgements. */
  const int on = mix(s.seed) % 8 != 0;
  setsockopt(s.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  play(&s);
}
