/* stranger server | stranger client PORT: an echo and its checker. Built with musl's C library by the
 * test, so that Leat cannot carry it. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in name = {.sin_family = AF_INET};

static int serve(void) {
  static char bytes[65536];
  socklen_t size = sizeof name;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr*)&name, size) != 0 || listen(listener, 1) != 0) return 1;
  getsockname(listener, (struct sockaddr*)&name, &size);
  printf("%d\n", ntohs(name.sin_port));
  fflush(stdout);
  const int connection = accept(listener, NULL, NULL);
  ssize_t got;
  while ((got = read(connection, bytes, sizeof bytes)) > 0) {
    if (write(connection, bytes, (size_t)got) != got) return 1;
  }
  return 0;
}

int main(int count, char** arguments) {
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (count < 3) return serve();
  name.sin_port = htons((unsigned short)atoi(arguments[2]));
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(connection, (struct sockaddr*)&name, sizeof name) != 0) return 1;
  for (int i = 0; i < 2000; ++i) {
    char message[8001];
    char got[8000];
    for (int k = 0; k < 1000; ++k) snprintf(message + 8 * k, 9, "%08d", i);
    if (send(connection, message, 8000, 0) != 8000) return 1;
    if (recv(connection, got, 8000, MSG_WAITALL) != 8000 || memcmp(got, message, 8000) != 0) {
      puts("wrong bytes");
      return 1;
    }
  }
  puts("right");
  return 0;
}
