/* One end of scenarios.py's "by_uring": warms up and lets its writer go, then reads by io_uring, past
 * every call of the C library but syscall(). Argument: the port. */
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void* map_ring(int ring, size_t size, long offset) {
  return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, offset);
}

int main(int count, char** arguments) {
  struct sockaddr_in name = {.sin_family = AF_INET};
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  name.sin_port = htons((unsigned short)atoi(arguments[count - 1]));
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (struct sockaddr*)&name, sizeof name) != 0) return 1;
  char bytes[65536];
  for (int i = 0; i < 24; ++i) {
    if (send(fd, "warm up!", 8, 0) != 8 || recv(fd, bytes, 8, MSG_WAITALL) != 8) return 1;
  }
  sleep(1);

  struct io_uring_params params;
  memset(&params, 0, sizeof params);
  const int ring = (int)syscall(SYS_io_uring_setup, 4, &params);
  if (ring < 0) {
    puts("no io_uring");
    return 0;
  }
  char* sq = map_ring(ring, params.sq_off.array + params.sq_entries * sizeof(unsigned),
                      IORING_OFF_SQ_RING);
  char* cq = map_ring(ring, params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe),
                      IORING_OFF_CQ_RING);
  struct io_uring_sqe* entries =
      map_ring(ring, params.sq_entries * sizeof *entries, IORING_OFF_SQES);
  unsigned* sq_tail = (unsigned*)(sq + params.sq_off.tail);
  unsigned* cq_head = (unsigned*)(cq + params.cq_off.head);
  unsigned long total = 0;
  unsigned long sum = 0;
  int got = 0;
  do {
    memset(entries, 0, sizeof *entries);
    entries->opcode = IORING_OP_RECV;
    entries->fd = fd;
    entries->addr = (unsigned long)bytes;
    entries->len = sizeof bytes;
    ((unsigned*)(sq + params.sq_off.array))[*sq_tail & (params.sq_entries - 1)] = 0;
    __atomic_store_n(sq_tail, *sq_tail + 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1) return 1;
    const struct io_uring_cqe* done = (struct io_uring_cqe*)(cq + params.cq_off.cqes) +
                                      (*cq_head & (params.cq_entries - 1));
    got = done->res;
    __atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
    for (int i = 0; i < got; ++i) sum = sum * 31 + (unsigned char)bytes[i];
    if (got > 0) total += (unsigned long)got;
  } while (got > 0);
  printf("%lu %lx %d\n", total, sum, got);
  return 0;
}
