// An echo server on a bare io_uring: the floor under Leat's transport, and what each feature of the
// ring brings. Arguments name features to go without:
//
//   defer        IORING_SETUP_DEFER_TASKRUN (with SINGLE_ISSUER)
//   incremental  buffers that are filled piece by piece; without, one buffer a message
//   multishot    one receive for all of a connection's input; without, one a message
//   silent       sends that tell of failure only; without, a completion each
//   batch        sends handed in with the next wait; without, send(2)
//   accept       multishot accept; without, a poll and accept4(2)
//   direct       descriptors known to the ring only
//
// Like bench_echo_epoll it keeps no output, and has no timers and no limits.

#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "bench/net/server.h"

namespace {

constexpr unsigned kMemory = 1024 * 1024;
constexpr std::uint16_t kIncremental = 2;         // IOU_PBUF_RING_INC, Linux 6.12
constexpr std::uint32_t kMoreInBuffer = 1u << 4;  // IORING_CQE_F_BUF_MORE
constexpr unsigned kDirectFiles = 16 * 1024;
enum Kind : std::uint64_t { kNothing, kAccept, kReceive, kSend };

class Server {
 public:
  Server(int listener, const std::set<std::string>& without)
      : listener_(listener), without_(without), memory_(kMemory) {}

  bool open() {
    io_uring_params wanted{};
    wanted.flags = IORING_SETUP_CQSIZE;
    if (has("defer")) wanted.flags |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    wanted.cq_entries = 4096;
    if (::io_uring_queue_init_params(1024, &ring_, &wanted) != 0) return false;
    ::io_uring_register_ring_fd(&ring_);
    if (has("direct")) {
      if (::io_uring_register_files_sparse(&ring_, kDirectFiles) != 0) return false;
    }
    return open_buffers();
  }

  void run() {
    accept();
    for (;;) {
      ::io_uring_submit_and_wait(&ring_, 1);
      for (const std::uint32_t flags : done_) recycle(flags);
      done_.clear();
      io_uring_cqe* answer = nullptr;
      while (::io_uring_peek_cqe(&ring_, &answer) == 0) {
        const io_uring_cqe copy = *answer;
        ::io_uring_cqe_seen(&ring_, answer);
        handle(copy);
      }
    }
  }

 private:
  [[nodiscard]] bool has(const char* feature) const { return !without_.contains(feature); }

  bool open_buffers() {
    count_ = has("incremental") ? 16 : 256;
    size_ = kMemory / count_;
    used_.resize(count_);
    void* entries = nullptr;
    if (::posix_memalign(&entries, 4096, count_ * sizeof(io_uring_buf)) != 0) return false;
    buffers_ = static_cast<io_uring_buf_ring*>(entries);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uintptr_t>(entries);
    registration.ring_entries = count_;
    registration.pad = has("incremental") ? kIncremental : std::uint16_t{0};
    if (::io_uring_register_buf_ring(&ring_, &registration, 0) != 0) return false;
    io_uring_buf_ring_init(buffers_);
    for (unsigned id = 0; id < count_; ++id) recycle(id << IORING_CQE_BUFFER_SHIFT);
    return true;
  }

  void recycle(std::uint32_t flags) {
    const unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;
    used_[id] = 0;
    io_uring_buf_ring_add(buffers_, memory_.data() + id * size_, size_,
                          static_cast<unsigned short>(id), io_uring_buf_ring_mask(count_), 0);
    io_uring_buf_ring_advance(buffers_, 1);
  }

  io_uring_sqe* entry(Kind kind, int fd) {
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
    while (entry == nullptr) {
      ::io_uring_submit(&ring_);
      entry = ::io_uring_get_sqe(&ring_);
    }
    data_ = kind << 32 | static_cast<std::uint32_t>(fd);
    return entry;
  }
  /// After io_uring_prep_*(), which clears what it does not set.
  void finish(io_uring_sqe* entry, bool on_connection) const {
    entry->user_data = data_;
    if (on_connection && has("direct")) entry->flags |= IOSQE_FIXED_FILE;
  }

  void accept() {
    io_uring_sqe* e = entry(kAccept, listener_);
    if (!has("accept")) {
      ::io_uring_prep_poll_add(e, listener_, POLLIN);
    } else if (has("direct")) {
      ::io_uring_prep_multishot_accept_direct(e, listener_, nullptr, nullptr, 0);
    } else {
      ::io_uring_prep_multishot_accept(e, listener_, nullptr, nullptr, SOCK_CLOEXEC);
    }
    finish(e, false);
  }

  void receive(int fd) {
    io_uring_sqe* e = entry(kReceive, fd);
    if (has("multishot")) {
      ::io_uring_prep_recv_multishot(e, fd, nullptr, 0, 0);
    } else {
      ::io_uring_prep_recv(e, fd, nullptr, 0, 0);
    }
    e->flags |= IOSQE_BUFFER_SELECT;
    finish(e, true);
  }

  void send(int fd, const char* bytes, std::size_t size) {
    if (!has("batch")) {
      if (::send(fd, bytes, size, MSG_NOSIGNAL) < 0) ::shutdown(fd, SHUT_RDWR);
      return;
    }
    io_uring_sqe* e = entry(kSend, fd);
    ::io_uring_prep_send(e, fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
    if (has("silent")) e->flags |= IOSQE_CQE_SKIP_SUCCESS;
    finish(e, true);
  }

  void close(int fd) {
    if (!has("direct")) {
      ::close(fd);
      return;
    }
    io_uring_sqe* e = entry(kNothing, 0);
    ::io_uring_prep_close_direct(e, static_cast<unsigned>(fd));
    e->flags |= IOSQE_CQE_SKIP_SUCCESS;
    finish(e, false);
  }

  void handle(const io_uring_cqe& answer) {
    const auto kind = static_cast<Kind>(answer.user_data >> 32);
    const int fd = static_cast<int>(answer.user_data & 0xffff'ffff);
    const bool more = (answer.flags & IORING_CQE_F_MORE) != 0;
    if (kind == kAccept) {
      if (!has("accept")) {
        accept_all();
      } else if (answer.res >= 0) {
        receive(answer.res);
      }
      if (!more) accept();
    } else if (kind == kReceive) {
      if (answer.res > 0) echo(fd, answer);
      if (more) return;
      if (answer.res > 0 || answer.res == -ENOBUFS) {
        receive(fd);
      } else {
        close(fd);
      }
    }
  }

  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0) return;
      receive(fd);
    }
  }

  void echo(int fd, const io_uring_cqe& answer) {
    const unsigned id = answer.flags >> IORING_CQE_BUFFER_SHIFT;
    const auto size = static_cast<std::size_t>(answer.res);
    send(fd, memory_.data() + id * size_ + used_[id], size);
    used_[id] += static_cast<unsigned>(answer.res);
    // The kernel reads from the buffer until the next submission.
    if ((answer.flags & kMoreInBuffer) == 0) done_.push_back(answer.flags);
  }

  const int listener_;
  const std::set<std::string> without_;
  io_uring ring_{};
  io_uring_buf_ring* buffers_ = nullptr;
  std::vector<char> memory_;
  unsigned count_ = 0;
  unsigned size_ = 0;
  std::vector<unsigned> used_;
  std::vector<std::uint32_t> done_;
  std::uint64_t data_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  std::set<std::string> without(argv + 1, argv + argc);
  // accept4(2) and send(2) need real descriptors.
  if (without.contains("accept") || without.contains("batch")) without.insert("direct");
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  ::setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // is inherited
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  Server server(listener, without);
  if (::bind(listener, generic, length) != 0 || ::listen(listener, leat::bench::kBacklog) != 0 ||
      ::getsockname(listener, generic, &length) != 0 || !server.open()) {
    std::perror("bench_echo_uring");
    return 1;
  }
  leat::bench::announce(ntohs(address.sin_port), "io_uring", "bare");
  server.run();
}
