// Internal: one end of the simulated connection: the calls that a user of the lanes makes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "leat/smc/receiver.h"
#include "leat/smc/sender.h"

#include "tests/smc/simulation_world.h"

namespace leat::smc::sim {

/// The core with a bug of its own put back.
class SimSender : public Sender<SimDevice> {
 public:
  using Sender::Sender;
  [[nodiscard]] std::span<char> room(std::size_t wanted);
  [[nodiscard]] std::span<const char> resend_chunk() const;
};

/// A thread or process that holds the end, and what it sleeps in.
struct Holder {
  enum class Sleep : std::uint8_t { kAwake, kSocket, kFutex };
  bool alive = true;
  bool busy = false;  ///< In a call.
  Sleep sleep = Sleep::kAwake;
};

/// A lock whose owner may be dead.
struct SimLock {
  const Holder* owner = nullptr;
  [[nodiscard]] bool is_orphaned() const { return owner != nullptr && !owner->alive; }
};

/// Every call may throw Killed, which leaves its lock taken; the schedule then calls bury().
class End {
 public:
  struct Memory {
    EndControl& mine;
    EndControl& peer;
    std::array<RemoteRing, kRings> own_rings;
    std::array<RemoteRing, kRings> peer_rings;
  };
  End(World& world, unsigned number, const Memory& memory, TcpQueue& out, TcpQueue& in);

  /// Before there are lanes: `size` bytes go by TCP, of which the other end reads some.
  void begin_on_tcp(std::size_t size);
  void start();

  // What programs do. Nothing happens if another holder has the lock.
  void send(std::size_t size);
  void receive(std::size_t size, bool only_peek);
  void sleep(Holder& holder);
  void shut_write();
  /// Lets go of the end, if there is another holder.
  void leave(Holder& holder) const;
  void fold_output();
  void want_fold();
  /// What every call does first, if the peer wants to fold.
  void answer_fold();

  // What the kernel does.
  void ring_doorbell();
  void wake_futex();
  /// Sleepers that have a reason to wake, wake.
  void wake();
  /// `holder` was killed; the last one takes the socket with it.
  void bury(Holder& holder);

  [[nodiscard]] bool is_gone() const;
  /// All of the stream that the sending side has accepted, whoever it was.
  [[nodiscard]] std::uint64_t accepted() const;
  /// How far it has read, in words.
  [[nodiscard]] std::string state() const;

  std::vector<Holder> holders;
  const Holder* caller = nullptr;  ///< Whose call this is.
  End* other = nullptr;
  std::uint64_t returned = 0;  ///< Bytes of sends that have returned to the program.
  std::uint64_t received = 0;
  bool saw_end = false;
  bool shut = false;
  bool raw = false;  ///< Folded, and read since by somebody who knows nothing of lanes.

 private:
  bool lock_sender();
  bool lock_receiver();
  std::size_t send_tcp(std::uint64_t position, std::size_t size);
  std::size_t send_ring(std::size_t size);
  void leave_ring();
  bool resend();
  void wake_peer();
  std::size_t read_ring(std::span<const char> bytes, std::size_t size, bool only_peek);
  std::size_t read_tcp(std::uint64_t limit, std::size_t size, bool only_peek);
  bool eat_doorbells(const Input& seen);
  void read_raw(std::size_t size);
  bool read_some(std::size_t& size, bool only_peek);
  void check(unsigned char byte, std::uint64_t position) const;
  [[nodiscard]] bool others_sleep() const;

  World& world_;
  unsigned number_;
  Memory memory_;
  TcpQueue& out_;
  TcpQueue& in_;
  SimSender sender_;
  Receiver<SimDevice> receiver_;
  SimLock tx_;
  SimLock rx_;
};

}  // namespace leat::smc::sim
