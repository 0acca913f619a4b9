/* Linked statically, so that nothing can be preloaded: reads a descriptor (0, or its argument) to
 * its end, prints the count and a sum of the bytes, and answers on a descriptor that is not 0. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char** arguments) {
  const int fd = count > 1 ? atoi(arguments[1]) : 0;
  unsigned char bytes[65536];
  unsigned long total = 0;
  unsigned long sum = 0;
  ssize_t got;
  while ((got = read(fd, bytes, sizeof bytes)) > 0) {
    for (ssize_t i = 0; i < got; ++i) sum = sum * 31 + bytes[i];
    total += (unsigned long)got;
  }
  printf("%lu %lx %s\n", total, sum, got == 0 ? "end" : "error");
  fflush(stdout);
  if (fd != 0 && write(fd, "read", 4) != 4) return 1;
  return 0;
}
