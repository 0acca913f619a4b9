// Internal: which descriptor of this process is which TCP connection.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace leat::preload {

class Connection;

/// An entry for each descriptor number, in zeroed memory that costs nothing until it is touched:
///
///     0            never looked at: find() asks the kernel once
///     kOther       no TCP connection (files, pipes, listeners, UDP), or one that nobody shares
///     kAccepted    fresh from accept(): looked at when it is used
///     kConnecting  has called connect(): looked at when it is used
///     Connection*
///
/// The calls that make and close descriptors keep it true (lifecycle.h). A descriptor closed by an
/// instruction of the program's own is found out when its number is given out again; from then on
/// the table is doubtful, and every use asks the kernel. Any thread; lock-free.
class DescriptorTable {
 public:
  static constexpr std::size_t kSize = 1U << 20U;  ///< Higher numbers stay on TCP.
  enum Mark : std::uintptr_t { kUnknown = 0, kOther = 1, kAccepted = 2, kConnecting = 3 };

  /// The connection behind `fd`, or none. What every call pays: one load and two compares.
  [[nodiscard]] static Connection* find(int fd) {
    if (static_cast<unsigned>(fd) >= kSize) return nullptr;
    const std::uintptr_t entry = entries_[fd].load(std::memory_order_acquire);
    if (entry > kConnecting) [[likely]] {
      return reinterpret_cast<Connection*>(entry);
    }
    return entry == kOther ? nullptr : classify(fd, entry);
  }
  /// As find(), but asks nobody: none for what was not looked at yet.
  [[nodiscard]] static Connection* known(int fd) {
    const std::uintptr_t entry = get(fd);
    return entry > kConnecting ? reinterpret_cast<Connection*>(entry) : nullptr;
  }
  [[nodiscard]] static std::uintptr_t get(int fd) {
    return static_cast<unsigned>(fd) < kSize ? entries_[fd].load(std::memory_order_acquire)
                                             : static_cast<std::uintptr_t>(kOther);
  }
  /// Puts `entry` in the place; returns what was there. The caller releases that if it is a
  /// connection.
  static std::uintptr_t exchange(int fd, std::uintptr_t entry) {
    if (static_cast<unsigned>(fd) >= kSize) return kOther;
    // Mostly zeros over zeros: leaves the page untouched.
    if (entry == entries_[fd].load(std::memory_order_relaxed) && entry <= kConnecting) return 0;
    return entries_[fd].exchange(entry, std::memory_order_acq_rel);
  }
  static bool replace(int fd, std::uintptr_t expected, std::uintptr_t entry) {
    return entries_[fd].compare_exchange_strong(expected, entry, std::memory_order_acq_rel);
  }
  /// Highest number ever set, plus one.
  [[nodiscard]] static int end() { return end_.load(std::memory_order_relaxed); }
  static void note_used(int fd);
  /// An entry was found stale: the program closes descriptors past this library.
  static void distrust() { is_doubtful_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] static bool is_doubtful() { return is_doubtful_.load(std::memory_order_relaxed); }

 private:
  static Connection* classify(int fd, std::uintptr_t entry);

  static constinit std::atomic<std::uintptr_t> entries_[kSize];
  static constinit std::atomic<int> end_;
  static constinit std::atomic<bool> is_doubtful_;
};

}  // namespace leat::preload
