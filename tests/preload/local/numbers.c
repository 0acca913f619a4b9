/* Numbers of connections that were closed past the C library and given out again: what the program
 * reads and writes by them is the new file's, never a ring's. Prints what it sees; under Leat that
 * must be what it is without. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "tests/preload/local/pair.h"

static char folder[] = "/tmp/leat-numbers-XXXXXX";
static char path[64];
static int source[2]; /* A pipe from before. */
static int passer[2]; /* UNIX sockets from before. */
static FILE* stream;
static DIR* directory;

static int by_open(void) {
  return open(path, O_RDWR);
}
static int by_openat(void) {
  return openat(AT_FDCWD, path, O_RDWR);
}
static int by_creat(void) {
  return creat(path, 0600);
}
static int by_mkstemp(void) {
  char name[80];
  snprintf(name, sizeof name, "%s/t-XXXXXX", folder);
  const int fd = mkstemp(name);
  unlink(name);
  return fd;
}
static int by_memfd(void) {
  return memfd_create("numbers", 0);
}
static int by_syscall(void) {
  return (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR, 0);
}
static int by_fopen(void) {
  stream = fopen(path, "r+");
  return fileno(stream);
}
static int by_tmpfile(void) {
  stream = tmpfile();
  return fileno(stream);
}
static int by_opendir(void) {
  directory = opendir(folder);
  return dirfd(directory);
}
static int by_pipe(void) {
  int fds[2];
  check(pipe(fds) == 0, "pipe");
  return fds[0];
}
static int by_pipe2(void) {
  int fds[2];
  check(pipe2(fds, O_CLOEXEC) == 0, "pipe2");
  return fds[0];
}
static int by_socketpair(void) {
  int fds[2];
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, "socketpair");
  return fds[0];
}
static int by_eventfd(void) {
  return eventfd(3, 0);
}
static int by_timerfd(void) {
  return timerfd_create(CLOCK_MONOTONIC, 0);
}
static int by_signalfd(void) {
  sigset_t mask;
  sigemptyset(&mask);
  return signalfd(-1, &mask, 0);
}
static int by_inotify(void) {
  return inotify_init1(0);
}
static int by_epoll(void) {
  return epoll_create1(0);
}
static int by_dup(void) {
  return dup(source[1]);
}
static int by_fcntl(void) {
  return fcntl(source[1], F_DUPFD, 0);
}
static int by_socket(void) {
  return socket(AF_UNIX, SOCK_DGRAM, 0);
}
static int by_accept(void) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  snprintf(name.sun_path, sizeof name.sun_path, "%s/u", folder);
  unlink(name.sun_path);
  /* High numbers, so that accept() gets the low one. */
  const int listener = fcntl(socket(AF_UNIX, SOCK_STREAM, 0), F_DUPFD, 200);
  const int client = fcntl(socket(AF_UNIX, SOCK_STREAM, 0), F_DUPFD, 200);
  bind(listener, (struct sockaddr*)&name, sizeof name);
  listen(listener, 1);
  connect(client, (struct sockaddr*)&name, sizeof name);
  return accept(listener, NULL, NULL);
}
static void pass(void) {
  char byte = 'x';
  struct iovec part = {&byte, 1};
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr header;
  } control;
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &source[1], sizeof(int));
  check(sendmsg(passer[0], &message, 0) == 1, "sendmsg");
}
static int take(int many) {
  pass();
  char byte;
  struct iovec part = {&byte, 1};
  char control[CMSG_SPACE(sizeof(int))];
  struct mmsghdr message = {.msg_hdr = {.msg_iov = &part,
                                        .msg_iovlen = 1,
                                        .msg_control = control,
                                        .msg_controllen = sizeof control}};
  if (many) {
    check(recvmmsg(passer[1], &message, 1, 0, NULL) == 1, "recvmmsg");
  } else {
    check(recvmsg(passer[1], &message.msg_hdr, 0) == 1, "recvmsg");
  }
  int fd = -1;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message.msg_hdr)), sizeof fd);
  return fd;
}
static int by_recvmsg(void) {
  return take(0);
}
static int by_recvmmsg(void) {
  return take(1);
}

struct maker {
  const char* name;
  int (*make)(void);
};
#define MAKER(name) {#name, by_##name}
static const struct maker makers[] = {
    MAKER(open),    MAKER(openat),  MAKER(creat),   MAKER(mkstemp),    MAKER(memfd),
    MAKER(syscall), MAKER(fopen),   MAKER(tmpfile), MAKER(opendir),    MAKER(pipe),
    MAKER(pipe2),   MAKER(eventfd), MAKER(timerfd), MAKER(socketpair), MAKER(signalfd),
    MAKER(inotify), MAKER(epoll),   MAKER(dup),     MAKER(fcntl),      MAKER(socket),
    MAKER(accept),  MAKER(recvmsg), MAKER(recvmmsg)};

static void close_bare(int fd) {
  check(bare_call(SYS_close, fd, 0, 0) == 0, "close");
}
static void close_bare_range(int fd) {
  check(bare_call(436, fd, fd, 0) == 0, "close_range");
}
static void close_syscall(int fd) {
  check(syscall(436, fd, fd, 0) == 0, "close_range");
}
static void close_from(int fd) {
  closefrom(fd);
}

static long result_of(long result) {
  return result < 0 ? -errno : result;
}

/* The number is another file's: what is read and written by it now? */
static void use(const char* name, int fd, int was) {
  char bytes[16] = "";
  check(fd == was, "the same number");
  fcntl(fd, F_SETFL, O_NONBLOCK);
  const long wrote = result_of(write(fd, "12345678", 8));
  const long at = lseek(fd, 0, SEEK_SET);
  const long got = result_of(read(fd, bytes, 8));
  const long sent = result_of(send(fd, "x", 1, MSG_NOSIGNAL));
  const long received = result_of(recv(fd, bytes + 8, 4, 0));
  printf("%s wrote %ld at %ld got %ld", name, wrote, at, got);
  for (long i = 0; i < got; ++i) printf(" %02x", (unsigned char)bytes[i]);
  printf(" sent %ld received %ld\n", sent, received);
  if (stream != NULL) fclose(stream);
  if (directory != NULL) closedir(directory);
  if (stream == NULL && directory == NULL) close(fd);
  stream = NULL;
  directory = NULL;
}

/* So that `fd` is the lowest free number once it is closed: what a maker of two gets first. */
static void fill_below(int fd) {
  int copy;
  while ((copy = dup(source[0])) < fd) {
  }
  close(copy);
}

/* Each maker in a child of its own: what one has found out must not help the next. */
static void reuse(void (*closer)(int), const struct maker* maker) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    int one = -1;
    int other = -1;
    make_pair(&one, &other);
    fill_below(other);
    check(send(one, "of a ring", 9, 0) == 9, "send");
    closer(other);
    use(maker->name, maker->make(), other);
    /* A connection that gets the number later works. */
    close(one);
    make_pair(&one, &other);
    check(send(one, "later", 5, 0) == 5, "send");
    char bytes[8];
    printf("later %ld\n", (long)recv(other, bytes, sizeof bytes, 0));
    fflush(stdout);
    _exit(0);
  }
  int status = 0;
  while (bare_call(SYS_wait4, child, (long)&status, 0) < 0) {
  }
  if (status != 0) printf("%s: status %x\n", maker->name, (unsigned)status);
}

static void reuse_all(void (*closer)(int)) {
  for (size_t i = 0; i < sizeof makers / sizeof *makers; ++i) reuse(closer, &makers[i]);
}
static void bare_close(void) {
  reuse_all(close_bare);
}
static void bare_range(void) {
  reuse(close_bare_range, &makers[0]);
}
static void syscall_range(void) {
  reuse(close_syscall, &makers[0]);
}
static void from(void) {
  reuse(close_from, &makers[0]);
}

/* Once a program was seen to close past the library, no use is believed without a question. */
static int bare_open(void) {
  return (int)bare_call(SYS_openat, AT_FDCWD, (long)path, O_RDWR);
}
static void bare_all(void) {
  int one = -1;
  int other = -1;
  make_pair(&one, &other);
  fill_below(other);
  close_bare(other);
  const int found = open(path, O_RDWR);
  check(found == other, "the same number");
  close(found);
  close(one);
  make_pair(&one, &other);
  fill_below(other);
  check(send(one, "of a ring", 9, 0) == 9, "send");
  close_bare(other);
  use("bare", bare_open(), other);
  close(one);
}

/* A stream over a connection that is reopened keeps the number for the new file. */
static void reopened(void) {
  int one = -1;
  int other = -1;
  make_pair(&one, &other);
  stream = fdopen(other, "r+");
  stream = freopen(path, "r+", stream);
  use("reopened", fileno(stream), other);
  close(one);
}

/* What daemon() forks is a process of its own, whose table is kept. */
static void daemonized(void) {
  int done[2];
  check(pipe(done) == 0, "pipe");
  fflush(stdout);
  if (fork() == 0) {
    check(daemon(1, 1) == 0, "daemon");
    int one = -1;
    int other = -1;
    make_pair(&one, &other);
    fill_below(other);
    check(send(one, "of a ring", 9, 0) == 9, "send");
    close(other);
    use("daemonized", open(path, O_RDWR), other);
    fflush(stdout);
    _exit(0);
  }
  close(done[1]);
  char byte;
  check(read(done[0], &byte, 1) == 0, "the daemon has ended");
  close(done[0]);
}

int main(int arguments, char** names) {
  static const struct scenario all[] = {{"bare_close", bare_close},
                                        {"bare_range", bare_range},
                                        {"syscall_range", syscall_range},
                                        {"from", from},
                                        {"reopened", reopened},
                                        {"daemonized", daemonized},
                                        {"bare_all", bare_all}};
  check(mkdtemp(folder) != NULL, "mkdtemp");
  snprintf(path, sizeof path, "%s/file", folder);
  close(open(path, O_CREAT | O_RDWR, 0600));
  check(pipe(source) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, passer) == 0, "pipe");
  const int result = run_scenarios(all, sizeof all / sizeof *all, arguments, names);
  char command[96];
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command) != 0 ? 1 : result;
}
