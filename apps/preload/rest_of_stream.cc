#include "apps/preload/rest_of_stream.h"

#include <errno.h>
#include <sys/socket.h>

#include "apps/preload/descriptor_table.h"
#include "apps/preload/epoll_sets.h"
#include "apps/preload/lane_lock.h"
#include "apps/preload/loopback_pair.h"
#include "apps/preload/native_scope.h"
#include "apps/preload/process.h"
#include "apps/preload/raw.h"
#include "apps/preload/receive.h"

namespace leat::preload {
namespace {

using raw::raw_argument;
using raw::raw_syscall;

constexpr int kPatienceForLockMs = 300;

/// `limit` bytes of the socket, or as many as are there, are data.
bool take_tcp(Connection& connection, int fd, std::uint64_t limit, RestFile& rest) {
  char bytes[16384];
  const std::size_t most = limit < sizeof bytes ? limit : sizeof bytes;
  const long got = raw::receive(fd, bytes, most, MSG_DONTWAIT);
  if (got == -EAGAIN) return (raw::poll_one(fd, POLLIN, 100) & POLLIN) != 0;
  if (got <= 0) return false;
  connection.receiver().tcp_received(static_cast<std::uint64_t>(got));
  return rest.append({bytes, static_cast<std::size_t>(got)});
}

bool eat(Connection& connection, int fd, std::uint64_t doorbells) {
  const std::size_t most = doorbells < 65536 ? doorbells : 65536;
  const long got = raw::receive(fd, nullptr, most, MSG_DONTWAIT | MSG_TRUNC);
  if (got == -EAGAIN) return (raw::poll_one(fd, POLLIN, 100) & POLLIN) != 0;
  if (got <= 0) return false;
  connection.receiver().doorbells_eaten(static_cast<std::uint64_t>(got));
  return true;
}

bool take_ring(Connection& connection, const smc::Input& input, RestFile& rest) {
  if (!rest.append(input.bytes)) return false;
  connection.receiver().consume(input.bytes.size());
  return true;
}

}  // namespace

Rest take_rest(Connection& connection, int fd, RestFile& rest) {
  const InputLock lock(connection, fd);
  if (!lock.is_held()) return Rest::kLost;
  for (;;) {
    const smc::Input input = connection.receiver().look();
    if (!input_is_open(connection)) return Rest::kTaken;
    bool goes_on = false;
    if (input.kind == smc::Input::Kind::kTcp) {
      goes_on = take_tcp(connection, fd, input.tcp_limit, rest);
    } else if (input.kind == smc::Input::Kind::kRing && !input.bytes.empty()) {
      goes_on = take_ring(connection, input, rest);
    } else if (input.kind == smc::Input::Kind::kRing && input.doorbells != 0) {
      goes_on = eat(connection, fd, input.doorbells);
    } else if (input.kind == smc::Input::Kind::kRing) {
      return Rest::kFrozen;
    }
    if (!goes_on) return Rest::kLost;
  }
}

// The lock of the peer's sender lies in the segment, as all that is shared: with it in our hands
// the peer neither sends nor answers, so what is read now is not what it sends again. The wish to
// fold is withdrawn for that long only, and nobody could see it.
bool take_frozen_rest(Connection& connection, RestFile& rest) {
  smc::DirectionLock theirs(connection.peer().tx_lock);
  for (int waited = 0; theirs.try_lock(Process::this_thread()) != smc::LockResult::kTaken;) {
    if (++waited > kPatienceForLockMs) return false;
    const timespec millisecond{0, 1'000'000};
    raw_syscall(SYS_nanosleep, raw_argument(&millisecond), 0);
  }
  bool is_whole = false;
  LaneLock mine(connection.mine().rx_lock);
  if (mine.is_held() && !mine.was_dead()) {
    connection.mine().flags.fetch_and(~smc::kFlagFoldWanted, std::memory_order_acq_rel);
    for (;;) {
      const smc::Input input = connection.receiver().look();
      is_whole = input.kind == smc::Input::Kind::kRing;
      if (!is_whole || input.bytes.empty() || !take_ring(connection, input, rest)) break;
    }
    connection.receiver().want_fold();
    connection.mine().wait.fetch_and(~smc::kWaitDoorbell, std::memory_order_seq_cst);
    is_whole = is_whole && connection.receiver().ring_bytes() == 0;
  }
  mine.release();
  theirs.unlock();
  return is_whole;
}

bool take_to_the_end(Connection& connection, int fd, RestFile& rest) {
  char bytes[16384];
  for (;;) {
    const iovec part{bytes, sizeof bytes};
    const ssize_t got = receive(connection, fd, &part, 1, MSG_DONTWAIT);
    if (got == -EAGAIN) {
      // Its writer has gone, but its last bytes may still be on their way.
      if ((raw::poll_one(fd, POLLIN | POLLRDHUP, 100) & (POLLIN | POLLRDHUP | POLLHUP)) == 0) {
        return false;
      }
      continue;
    }
    if (got == 0) return rest.append({});
    if (got < 0) return connection.receiver().look().kind != smc::Input::Kind::kBroken;
    if (!rest.append({bytes, static_cast<std::size_t>(got)})) return false;
  }
}

bool replace_by_rest(Connection& connection, int fd, RestFile& rest, bool goes_on) {
  LoopbackPair pair;
  if (!pair.open()) return false;
  // Mostly it fits into what the kernel buffers, and then nobody needs to relay anything.
  if (rest.pour_into(pair.writer()) && !goes_on) {
    raw_syscall(SYS_shutdown, pair.writer(), SHUT_WR);
  } else if (!Process::has_broker() ||
             Process::broker().relay(fd, pair.writer(), rest.fd(), Process::page()->token).kind !=
                 smc::Answer::Kind::kSegment) {
    return false;
  }
  const long status = raw::status_flags(fd);
  if (status > 0) raw_syscall(SYS_fcntl, pair.reader(), F_SETFL, status);
  EpollSets::leave_for(connection);
  for (int other = 0; other < DescriptorTable::end() || other == fd; ++other) {
    if (other != fd && DescriptorTable::known(other) != &connection) continue;
    const long flags = raw_syscall(SYS_fcntl, other, F_GETFD);
    if (flags < 0) continue;
    raw_syscall(SYS_dup3, pair.reader(), other, (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
  }
  EpollSets::come_back(connection);
  return true;
}

void reset(int fd) {
  sockaddr none{};
  none.sa_family = AF_UNSPEC;
  raw_syscall(SYS_connect, fd, raw_argument(&none), sizeof none);
}

}  // namespace leat::preload
