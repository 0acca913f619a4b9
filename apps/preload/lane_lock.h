// Internal: one direction of a connection, locked for the length of a block.
#pragma once

#include "leat/smc/direction_lock.h"

#include "apps/preload/connection.h"
#include "apps/preload/process.h"

namespace leat::preload {

/// Holds EndControl::tx_lock or rx_lock. is_held() is false if this very thread holds it already: a
/// signal handler has come in between, and must not wait for itself. If the handler left by
/// siglongjmp() the block that held the lock is gone, and was_dead() says that it was taken from
/// it.
class LaneLock {
 public:
  explicit LaneLock(std::atomic<std::uint32_t>& word)
      : lock_(word), result_(lock_.lock(Process::this_thread())), word_(&word) {
    if (result_ == smc::LockResult::kHeldByCaller) [[unlikely]] {
      if (!was_left()) return;
      result_ = smc::LockResult::kTakenFromDead;
    }
    is_held_ = true;
    before_ = last_;
    last_ = {word_, this};
  }
  LaneLock(const LaneLock&) = delete;
  LaneLock& operator=(const LaneLock&) = delete;
  ~LaneLock() { release(); }

  [[nodiscard]] bool is_held() const { return is_held_; }
  [[nodiscard]] bool was_dead() const { return result_ == smc::LockResult::kTakenFromDead; }
  void release() {
    if (!is_held_) return;
    is_held_ = false;
    last_ = before_;
    lock_.unlock();
  }

 private:
  /// Which lock a thread has taken last, and where on its stack that is written.
  struct Place {
    const std::atomic<std::uint32_t>* word = nullptr;
    const LaneLock* holder = nullptr;
  };
  [[nodiscard]] bool was_left() const;

  smc::DirectionLock lock_;
  smc::LockResult result_;
  bool is_held_ = false;
  const std::atomic<std::uint32_t>* word_;
  Place before_;
  static constinit thread_local Place last_;
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
