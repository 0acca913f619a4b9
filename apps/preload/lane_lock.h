// Internal: one direction of a connection, locked for the length of a block.
#pragma once

#include "leat/smc/direction_lock.h"

#include "apps/preload/connection.h"
#include "apps/preload/process.h"

namespace leat::preload {

/// Holds EndControl::tx_lock or rx_lock. is_held() is false if this very thread holds it already: a
/// signal handler has come in between, and must not wait for itself.
class LaneLock {
 public:
  explicit LaneLock(std::atomic<std::uint32_t>& word)
      : lock_(word),
        result_(lock_.lock(Process::this_thread())),
        is_held_(result_ != smc::LockResult::kHeldByCaller) {}
  LaneLock(const LaneLock&) = delete;
  LaneLock& operator=(const LaneLock&) = delete;
  ~LaneLock() { release(); }

  [[nodiscard]] bool is_held() const { return is_held_; }
  [[nodiscard]] bool was_dead() const { return result_ == smc::LockResult::kTakenFromDead; }
  void release() {
    if (is_held_) lock_.unlock();
    is_held_ = false;
  }

 private:
  smc::DirectionLock lock_;
  smc::LockResult result_;
  bool is_held_;
};

/// The receiving half, `fd` being one of its descriptors. What a holder that died in it has begun
/// is completed first.
class InputLock : public LaneLock {
 public:
  InputLock(Connection& connection, int fd) : LaneLock(connection.mine().rx_lock) {
    if (was_dead()) recover(connection, fd);
  }

 private:
  static void recover(Connection& connection, int fd);
};

/// The sending half.
class OutputLock : public LaneLock {
 public:
  OutputLock(Connection& connection, int fd) : LaneLock(connection.mine().tx_lock) {
    if (was_dead()) recover(connection, fd);
  }

 private:
  static void recover(Connection& connection, int fd);
};

}  // namespace leat::preload
