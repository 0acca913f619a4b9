// The lock of a direction: threads, processes, and processes killed while they hold it.

#include "leat/smc/direction_lock.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"

namespace leat::smc {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// What processes share here. `first` and `second` are equal whenever the lock is free.
struct Shared {
  std::atomic<std::uint32_t> word;
  std::atomic<std::uint64_t> first;
  std::atomic<std::uint64_t> second;
  std::atomic<std::uint64_t> torn;
  std::atomic<bool> ready;
};

class DirectionLockTest : public testing::Test {
 protected:
  DirectionLockTest() {
    void* memory =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared_ = new (memory) Shared();
  }
  ~DirectionLockTest() override { munmap(shared_, sizeof(Shared)); }

  DirectionLock lock() { return DirectionLock(shared_->word); }

  /// A child that takes the lock, says so, and never gives it back.
  pid_t holder() {
    const pid_t child = fork();
    if (child == 0) {
      (void)lock().lock(DirectionLock::this_thread());
      shared_->ready = true;
      for (;;) pause();
    }
    while (!shared_->ready) std::this_thread::yield();
    return child;
  }

  Shared* shared_ = nullptr;
  const std::uint32_t self_ = DirectionLock::this_thread();
};

TEST_F(DirectionLockTest, IsTakenAndGivenBack) {
  EXPECT_EQ(lock().lock(self_), LockResult::kTaken);
  EXPECT_TRUE(lock().is_held_by(self_));
  lock().unlock();
  EXPECT_FALSE(lock().is_held_by(self_));
  EXPECT_EQ(lock().try_lock(self_), LockResult::kTaken);
  lock().unlock();
  EXPECT_EQ(shared_->word, 0u);
}

TEST_F(DirectionLockTest, TellsAThreadThatItHoldsIt) {
  ASSERT_EQ(lock().lock(self_), LockResult::kTaken);
  EXPECT_EQ(lock().lock(self_), LockResult::kHeldByCaller);
  EXPECT_EQ(lock().try_lock(self_), LockResult::kHeldByCaller);
  std::thread([this] {
    EXPECT_EQ(lock().try_lock(DirectionLock::this_thread()), LockResult::kBusy);
  }).join();
  lock().unlock();
}

TEST_F(DirectionLockTest, WaitersMarkDoesNotHideTheOwner) {
  ASSERT_EQ(lock().lock(self_), LockResult::kTaken);
  std::thread waiter([this] {
    EXPECT_EQ(lock().lock(DirectionLock::this_thread()), LockResult::kTaken);
    lock().unlock();
  });
  while (shared_->word == self_) std::this_thread::yield();
  EXPECT_EQ(lock().lock(self_), LockResult::kHeldByCaller);
  lock().unlock();
  waiter.join();
}

TEST_F(DirectionLockTest, LetsOneThreadInAtATime) {
  std::uint64_t plain = 0;  // ThreadSanitizer looks on.
  constexpr int kRounds = 20'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, &plain] {
      const std::uint32_t self = DirectionLock::this_thread();
      for (int i = 0; i < kRounds; ++i) {
        ASSERT_EQ(lock().lock(self), LockResult::kTaken);
        ++plain;
        lock().unlock();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(plain, 4u * kRounds);
}

TEST_F(DirectionLockTest, IsTakenFromADeadProcess) {
  const pid_t child = holder();
  EXPECT_EQ(lock().try_lock(self_), LockResult::kBusy);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const auto begin = Clock::now();
  EXPECT_EQ(lock().lock(self_), LockResult::kTakenFromDead);
  EXPECT_LT(Clock::now() - begin, milliseconds(5000));
  lock().unlock();
}

TEST_F(DirectionLockTest, AZombieIsDead) {
  const pid_t child = holder();
  kill(child, SIGKILL);
  siginfo_t info{};
  waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  EXPECT_EQ(lock().lock(self_), LockResult::kTakenFromDead);
  lock().unlock();
  waitpid(child, nullptr, 0);
}

TEST_F(DirectionLockTest, IsTakenFromADeadThread) {
  std::thread([this] { (void)lock().lock(DirectionLock::this_thread()); }).join();
  EXPECT_EQ(lock().lock(self_), LockResult::kTakenFromDead);
  lock().unlock();
}

TEST_F(DirectionLockTest, IsNotTakenFromTheLiving) {
  const pid_t child = holder();
  std::atomic<bool> taken{false};
  std::thread waiter([&] {
    EXPECT_EQ(lock().lock(DirectionLock::this_thread()), LockResult::kTakenFromDead);
    taken = true;
    lock().unlock();
  });
  std::this_thread::sleep_for(milliseconds(60));
  EXPECT_FALSE(taken);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  waiter.join();
}

TEST_F(DirectionLockTest, AnotherPidNamespaceIsNeverTakenForDead) {
  // A number that nobody has, of a namespace that is not this one.
  shared_->word = (self_ ^ (1U << 22U)) | 0x3fffffU;
  std::thread waiter([this] {
    EXPECT_EQ(lock().lock(DirectionLock::this_thread()), LockResult::kTaken);
    lock().unlock();
  });
  std::this_thread::sleep_for(milliseconds(60));
  EXPECT_FALSE(lock().try_lock(self_) == LockResult::kTaken);
  lock().unlock();
  waiter.join();
}

TEST_F(DirectionLockTest, KilledAtAnyInstructionItGoesToTheNext) {
  const std::uint64_t seed = std::random_device()();
  std::cout << "seed " << seed << "\n";
  Random random(seed);
  int recovered = 0;
  const auto once = [this](std::uint32_t self) {
    const LockResult result = lock().lock(self);
    if (result == LockResult::kTakenFromDead) {
      shared_->second = shared_->first.load();
    } else if (result != LockResult::kTaken || shared_->first != shared_->second) {
      ++shared_->torn;  // Two inside, or a death that was not told.
    }
    ++shared_->first;
    ++shared_->second;
    lock().unlock();
    return result;
  };
  for (int round = 0; round < 60; ++round) {
    shared_->ready = false;
    const pid_t child = fork();
    if (child == 0) {
      const std::uint32_t self = DirectionLock::this_thread();
      for (;;) {
        once(self);
        shared_->ready = true;
      }
    }
    while (!shared_->ready) std::this_thread::yield();
    for (std::uint64_t i = random() % 2000; i > 0; --i) once(self_);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    recovered += once(self_) == LockResult::kTakenFromDead ? 1 : 0;
  }
  EXPECT_EQ(shared_->torn, 0u);
  std::cout << "killed inside " << recovered << " times of 60\n";
}

}  // namespace
}  // namespace leat::smc
