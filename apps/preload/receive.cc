#include "apps/preload/receive.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "apps/preload/end_of_stream.h"
#include "apps/preload/lane_lock.h"
#include "apps/preload/raw.h"
#include "apps/preload/send.h"
#include "apps/preload/wait_input.h"

namespace leat::preload {
namespace {

constexpr std::size_t kParts = 16;

/// One call of the program.
class ReceiveCall {
 public:
  ReceiveCall(Connection& connection, int fd, const iovec* parts, std::size_t count, int flags)
      : connection_(connection),
        fd_(fd),
        whole_(parts, count),
        scatter_(whole_),
        peeks_((flags & MSG_PEEK) != 0),
        discards_((flags & MSG_TRUNC) != 0),
        dont_wait_((flags & MSG_DONTWAIT) != 0) {
    const auto low_water =
        static_cast<std::size_t>(connection.low_water.load(std::memory_order_relaxed));
    target_ = (flags & MSG_WAITALL) != 0 || low_water > whole_.total() ? whole_.total() : low_water;
    asks_kernel_ = dont_wait_ || connection.non_blocking.load(std::memory_order_relaxed);
  }

  ssize_t run();

 private:
  enum class Step { kFull, kEmpty, kEnd, kGoOn, kBusy };

  Step take_all();
  Step take(const smc::Input& input);
  Step take_ring(const smc::Input& input);
  Step take_tcp(std::uint64_t limit);
  Step take_tcp_without_limit();
  Step eat(std::uint64_t doorbells);
  Step ask_kernel();
  Step socket_said(long result);
  [[nodiscard]] ssize_t end();

  Connection& connection_;
  int fd_;
  Scatter whole_;
  Scatter scatter_;
  bool peeks_;
  bool discards_;
  bool dont_wait_;
  bool asks_kernel_ = false;
  bool socket_ended_ = false;  ///< FIN or an error was seen: what the rings have still comes first.
  int socket_error_ = 0;
  std::size_t target_ = 1;
};

ssize_t ReceiveCall::run() {
  InputWait wait;
  for (;;) {
    const Step step = take_all();
    const auto done = static_cast<ssize_t>(scatter_.done());
    if (step == Step::kFull) return done;
    if (step == Step::kEnd) return done != 0 ? done : end();
    if (done != 0 && scatter_.done() >= target_) return done;
    if (step == Step::kBusy) return dont_wait_ ? -EAGAIN : -EINTR;
    if (connection_.sender().fold_wanted()) answer_fold(connection_, fd_);
    if (connection_.big_ring_used_ms.load(std::memory_order_relaxed) != 0) {
      give_back_idle_ring(connection_, fd_);
    }
    if (!dont_wait_ && !connection_.non_blocking.load(std::memory_order_relaxed) &&
        spin_for_input(connection_, wait)) {
      continue;
    }
    if (dont_wait_ || !raw::is_blocking(fd_)) {
      if (!asks_kernel_) {
        // It has become non-blocking behind our back.
        connection_.non_blocking.store(true, std::memory_order_relaxed);
        asks_kernel_ = true;
        continue;
      }
      return done != 0 ? done : -EAGAIN;
    }
    connection_.non_blocking.store(false, std::memory_order_relaxed);
    const int error = wait_for_input(connection_, fd_, wait);
    if (error != 0) return done != 0 ? done : -error;
    asks_kernel_ = true;
  }
}

ReceiveCall::Step ReceiveCall::take_all() {
  const InputLock lock(connection_, fd_);
  if (!lock.is_held()) return Step::kBusy;
  if (peeks_) scatter_ = whole_;
  // Before the look: what comes later rings for those that sleep on this end.
  connection_.stay_armed();
  Step step = Step::kGoOn;
  while (step == Step::kGoOn) {
    step = take(connection_.receiver().look());
    if (step == Step::kGoOn && scatter_.left() == 0 && scatter_.total() != 0) step = Step::kFull;
  }
  std::atomic<std::uint32_t>& space_wait = connection_.peer().space_wait;
  if (space_wait.load(std::memory_order_relaxed) != 0) {
    space_wait.store(0, std::memory_order_relaxed);
    raw::wake_all(space_wait);
  }
  return step;
}

ReceiveCall::Step ReceiveCall::take(const smc::Input& input) {
  switch (input.kind) {
    case smc::Input::Kind::kTcp:
      return input.tcp_limit == smc::kNoLimit ? take_tcp_without_limit()
                                              : take_tcp(input.tcp_limit);
    case smc::Input::Kind::kBroken:
      raw::raw_syscall(SYS_shutdown, fd_, SHUT_RDWR);
      socket_error_ = ECONNRESET;
      return Step::kEnd;
    case smc::Input::Kind::kRing:
      break;
  }
  if (!input.bytes.empty()) return take_ring(input);
  // Bytes by TCP lie behind these. Less than the program asked for means that there are no more.
  if (input.doorbells != 0 && input.doorbells != smc::kNoLimit) return eat(input.doorbells);
  if (scatter_.done() >= target_ && scatter_.done() != 0) return Step::kEmpty;
  return asks_kernel_ ? ask_kernel() : Step::kEmpty;
}

ReceiveCall::Step ReceiveCall::take_ring(const smc::Input& input) {
  if (scatter_.total() == 0) return Step::kFull;
  const auto put = [this](std::span<const char> bytes) {
    const std::size_t n = bytes.size() < scatter_.left() ? bytes.size() : scatter_.left();
    if (discards_) {
      scatter_.advance(n);
    } else {
      scatter_.put(bytes.data(), n);
    }
    return n;
  };
  const std::size_t taken = put(input.bytes);
  if (peeks_) {
    put(input.more);
    return scatter_.left() == 0 ? Step::kFull : Step::kEmpty;
  }
  connection_.receiver().consume(taken);
  ++connection_.mine().rx_messages;
  return Step::kGoOn;
}

ReceiveCall::Step ReceiveCall::take_tcp(std::uint64_t limit) {
  if (scatter_.total() == 0) return Step::kFull;
  iovec parts[kParts];
  const std::size_t count = scatter_.rest(parts, kParts, limit);
  const int flags = MSG_DONTWAIT | (peeks_ ? MSG_PEEK : 0) | (discards_ ? MSG_TRUNC : 0);
  const long got = raw::receive_parts(fd_, parts, count, flags);
  if (got <= 0) return socket_said(got);
  scatter_.advance(static_cast<std::size_t>(got));
  if (peeks_) return Step::kFull;
  connection_.receiver().tcp_received(static_cast<std::uint64_t>(got));
  return Step::kGoOn;
}

// The peer may change lanes while the socket is read. It says so before it writes a doorbell, so
// after a look at the bytes the spans tell how many of them are data.
ReceiveCall::Step ReceiveCall::take_tcp_without_limit() {
  char byte = 0;
  iovec parts[kParts] = {{&byte, 1}};
  std::size_t count = 1;
  if (scatter_.total() != 0) count = scatter_.rest(parts, kParts, scatter_.left());
  const int discard = discards_ ? MSG_TRUNC : 0;
  const long seen = raw::receive_parts(fd_, parts, count, MSG_DONTWAIT | MSG_PEEK | discard);
  if (seen <= 0) return socket_said(seen);
  const smc::Input again = connection_.receiver().look();
  if (again.kind != smc::Input::Kind::kTcp) return Step::kGoOn;
  if (scatter_.total() == 0) return Step::kFull;
  const auto bytes = static_cast<std::uint64_t>(seen);
  const std::size_t data = bytes < again.tcp_limit ? bytes : again.tcp_limit;
  scatter_.advance(data);
  if (peeks_) return Step::kFull;
  raw::receive(fd_, nullptr, data, MSG_DONTWAIT | MSG_TRUNC);
  connection_.receiver().tcp_received(data);
  return Step::kGoOn;
}

ReceiveCall::Step ReceiveCall::eat(std::uint64_t doorbells) {
  const std::size_t most = doorbells < 65536 ? doorbells : 65536;
  const long got = raw::receive(fd_, nullptr, most, MSG_DONTWAIT | MSG_TRUNC);
  if (got <= 0) return socket_said(got);
  connection_.receiver().doorbells_eaten(static_cast<std::uint64_t>(got));
  return Step::kGoOn;
}

// The ring is empty. What the socket has are doorbells, unless the peer has just said otherwise.
ReceiveCall::Step ReceiveCall::ask_kernel() {
  char bytes[64];
  const long seen = raw::receive(fd_, bytes, sizeof bytes, MSG_DONTWAIT | MSG_PEEK);
  if (seen <= 0) return socket_said(seen);
  const smc::Input again = connection_.receiver().look();
  if (again.kind != smc::Input::Kind::kRing || !again.bytes.empty()) return Step::kGoOn;
  if (again.doorbells == 0) return Step::kEmpty;
  if (again.doorbells == smc::kNoLimit) {
    const auto judged = connection_.judge_doorbells();
    if (judged == Connection::Doorbells::kLeave) return Step::kEmpty;
    if (judged == Connection::Doorbells::kLookAgain) return Step::kGoOn;
  }
  const auto count = static_cast<std::uint64_t>(seen);
  return eat(count < again.doorbells ? count : again.doorbells);
}

// Whatever came before a FIN or a reset is visible in the rings once that was seen: one more look.
ReceiveCall::Step ReceiveCall::socket_said(long result) {
  if (result == -EAGAIN) {
    const int pending = connection_.pending_error.load(std::memory_order_relaxed);
    if (pending == 0) return Step::kEmpty;
    result = -pending;
  }
  if (result < 0) socket_error_ = static_cast<int>(-result);
  if (socket_ended_) return Step::kEnd;
  socket_ended_ = true;
  if (socket_error_ != 0) {
    connection_.pending_error.store(socket_error_, std::memory_order_relaxed);
  }
  return Step::kGoOn;
}

ssize_t ReceiveCall::end() {
  const int error = connection_.pending_error.exchange(0, std::memory_order_relaxed);
  return -end_of_stream(connection_, fd_, error != 0 ? error : socket_error_);
}

}  // namespace

ssize_t receive(Connection& connection, int fd, const iovec* parts, std::size_t count, int flags) {
  return ReceiveCall(connection, fd, parts, count, flags).run();
}

void eat_doorbells(Connection& connection, int fd) {
  const InputLock lock(connection, fd);
  if (!lock.is_held()) return;
  char bytes[64];
  for (;;) {
    const long seen = raw::receive(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_PEEK);
    if (seen <= 0) return;
    const smc::Input input = connection.receiver().look();
    if (input.kind != smc::Input::Kind::kRing || input.doorbells == 0) return;
    // Another process that holds the socket may be about to wake by it.
    if (connection.judge_doorbells() != Connection::Doorbells::kEat) return;
    const auto count = static_cast<std::uint64_t>(seen);
    const long eaten = raw::receive(fd, nullptr, count < input.doorbells ? count : input.doorbells,
                                    MSG_DONTWAIT | MSG_TRUNC);
    if (eaten <= 0) return;
    connection.receiver().doorbells_eaten(static_cast<std::uint64_t>(eaten));
  }
}

long readable_bytes(Connection& connection, int fd) {
  int queued = 0;
  const InputLock lock(connection, fd);
  if (!lock.is_held()) return -EAGAIN;
  // Takes the spans that are through.
  if (connection.receiver().look().kind == smc::Input::Kind::kBroken) return 0;
  const long result = raw::raw_syscall(SYS_ioctl, fd, FIONREAD, raw::raw_argument(&queued));
  if (result < 0) return result;
  return static_cast<long>(connection.receiver().readable(static_cast<std::uint64_t>(queued)));
}

}  // namespace leat::preload
