/* exchange_server tcp|unix PATH SIZE ANSWER: answers each SIZE bytes by their first ANSWER ones,
 * one connection after another, by blocking read() and write() as ipc-bench does. Prints its port,
 * or PATH. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void die(const char* what) {
  perror(what);
  exit(1);
}

static int listen_on(const char* kind, const char* path) {
  const int is_unix = strcmp(kind, "unix") == 0;
  const int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
  if (fd < 0) die("socket");
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  strncpy(un.sun_path, path, sizeof un.sun_path - 1);
  if (bind(fd, is_unix ? (struct sockaddr*)&un : (struct sockaddr*)&in,
           is_unix ? sizeof un : sizeof in))
    die("bind");
  if (listen(fd, 64)) die("listen");
  socklen_t length = sizeof in;
  if (!is_unix && getsockname(fd, (struct sockaddr*)&in, &length)) die("getsockname");
  if (is_unix)
    puts(path);
  else
    printf("%d\n", ntohs(in.sin_port));
  fflush(stdout);
  return fd;
}

int main(int argc, char** argv) {
  if (argc != 5) {
    fputs("usage: exchange_server tcp|unix PATH SIZE ANSWER\n", stderr);
    return 2;
  }
  const size_t size = strtoul(argv[3], NULL, 10);
  const size_t answer = strtoul(argv[4], NULL, 10);
  char* const data = malloc(size);
  const int listener = listen_on(argv[1], argv[2]);
  for (;;) {
    const int fd = accept(listener, NULL, NULL);
    if (fd < 0) die("accept");
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (;;) {
      size_t done = 0;
      ssize_t count = 1;
      while (done < size && (count = read(fd, data + done, size - done)) > 0) done += (size_t)count;
      if (count <= 0 || write(fd, data, answer) != (ssize_t)answer) break;
    }
    close(fd);
  }
}
