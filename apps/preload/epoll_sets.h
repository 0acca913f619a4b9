// Internal: which epoll set of this process holds which connection.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "leat/smc/spin_budget.h"

#include "apps/preload/member_table.h"
#include "apps/preload/set_boards.h"
#include "apps/preload/set_lock.h"

namespace leat::preload {

/// What the shim knows of one epoll set of the kernel. The set itself stays the kernel's, with the
/// program's own events and data in it; this says which of its members have rings to look at.
///
///               its bit, or joins                           looked at at each call
///     +-----------+ ----------------------> +-----------+
///     | on board  |                         |  scanned  |
///     +-----------+ <---------------------- +-----------+
///      costs nothing     nothing to read
///
/// A member with a place on a board (SetBoards) is looked at only when it has news, and one
/// doorbell wakes the set for all of them. One without, because its peer knows of no boards, it is
/// in several sets, or EPOLLONESHOT and EPOLLEXCLUSIVE do not let every doorbell wake the set, is
/// looked at each time and armed for each sleep; after many looks in vain it is *cold*: it stays
/// armed, and a doorbell brings it back. A *sticky* set, which is also watched through another set
/// or by poll(), keeps all members armed: whoever sleeps on it does not come by here. So do members
/// that another process may be asleep on.
class EpollSet {
 public:
  explicit EpollSet(std::uint64_t longest_spin) : spin(longest_spin) {}

  /// epoll_ctl(): the kernel first; its result and errno.
  int control(int epfd, int operation, int fd, epoll_event* event);
  /// The kernel has taken the member already.
  void added_before(int fd, const epoll_event& event);
  /// Nothing to look at: the kernel's own call, untouched, is right.
  [[nodiscard]] bool is_plain() const { return shared_.load(std::memory_order_relaxed) == 0; }

  // --- for a wait: epoll_wait.cc --------------------------------------------------------------

  /// Whether some ring may have what the program is to be told.
  [[nodiscard]] bool any_due();
  /// Judges the `count` events that the kernel has given, in place, and adds what rings have, up to
  /// `room`. Returns how many there are then. Keeps errno.
  int collect(epoll_event* events, int count, int room);
  /// Counts a sleeper and arms what is scanned. Follow with collect(); sleep if it finds nothing.
  void begin_sleep();
  void end_sleep();
  /// Members of which the kernel alone tells: all that are neither scanned nor on a board.
  [[nodiscard]] bool has_kernel_members() const { return members_.count() > looked_at_; }

  // --- for whoever watches the set as a descriptor --------------------------------------------

  /// The kernel's word for its readiness must suffice from now on.
  void make_sticky();
  /// A ring of a member has what epoll_wait() would tell.
  [[nodiscard]] bool ring_due();
  /// The kernel says `epfd` is readable: whether that is more than doorbells, which are eaten.
  [[nodiscard]] bool is_truly_readable(int epfd);

  /// Threads asleep in the kernel's call.
  std::atomic<std::uint32_t> sleepers{0};
  smc::SpinBudget spin;
  std::atomic<std::int64_t> kernel_asked{0};  ///< When, in ns of CLOCK_MONOTONIC.
  std::atomic<bool> kernels_turn{false};      ///< Where there is room for one event only.

 private:
  friend class EpollSets;

  // All of these under lock_.
  void note(int operation, int fd, const epoll_event& event);
  void adopt();
  void enroll(std::uint32_t index);
  [[nodiscard]] bool suits_board(const Member& member);
  void board(std::uint32_t index);
  void leave_board(Member& member);
  void alarm();
  void scan(std::uint32_t index);
  void stop_scanning(std::uint32_t index);
  void take_news();
  void kick_one_due();
  void forget(std::uint32_t index);
  void joined(Connection& connection, int fd);
  void left(Connection* connection, int fd, int other_fd);
  void leave_kernel(Connection& connection);
  void come_back(Connection& connection);
  void disconnected(Connection& connection);
  void clear();
  [[nodiscard]] bool stays_armed(const Member& member) const;
  void arm(Member& member);
  void disarm(Member& member);
  void kick_if_due(Member& member);
  bool modify_kernel(const Member& member, std::uint32_t events) const;
  void obey(const Member& member, KernelDuty duty);
  std::uint32_t observe(std::uint32_t index, std::uint32_t kernel);
  std::uint32_t judge_kernel(const epoll_event& event);
  std::uint32_t judge_ambiguous(std::uint32_t first, std::uint32_t kernel);
  int add_due(epoll_event* events, int count, int room);
  void drop_idle();
  [[nodiscard]] bool is_due(const Member& member) const;
  void cool();

  SetLock lock_;
  MemberTable members_;
  SetBoards boards_;
  bool alarmed_ = false;                  ///< Members on boards are armed too, until nobody sleeps.
  std::uint32_t looked_at_ = 0;           ///< Scanned, or on a board.
  std::atomic<std::uint32_t> shared_{0};  ///< Members that are looked at.
  std::atomic<std::uint32_t> descriptors_{0};
  std::atomic<int> epfd_{-1};  ///< One of its descriptors.
  std::uint32_t forks_ = 0;    ///< EpollSets::forks() of the process whose arming the members hold.
  std::uint32_t inner_ = 0;    ///< Members that are sets.
  std::atomic<bool> sticky_{false};
  std::uint32_t pass_ = 0;
  std::uint32_t turn_ = 0;   ///< Where the next look begins.
  std::uint32_t looks_ = 0;  ///< Since cool().
};

/// All of them: what the other parts of the library call. Any thread. None of the hooks may be
/// called with a lock of a connection held.
class EpollSets {
 public:
  static constexpr std::size_t kMost = 1024;

  /// The set behind `epfd`, or none: one load.
  [[nodiscard]] static EpollSet* find(int epfd) {
    if (static_cast<unsigned>(epfd) >= kDescriptors) return nullptr;
    const std::uint32_t number = by_fd_[epfd].load(std::memory_order_acquire);
    return number == 0 ? nullptr : at(number - 1);
  }
  /// After epoll_create(). Without room for one more set: its connections stay armed.
  static EpollSet* created(int epfd);
  /// Of a set that nobody here has made: asks the kernel what is in it, at the first call. None,
  /// and asked no more, if it holds nothing of this process's.
  static EpollSet* inherit(int epfd);

  /// `connection`, known by `fd`, goes by rings from now on.
  static void shared(Connection& connection, int fd);
  /// Whether `fd` may be a set, or in one.
  [[nodiscard]] static bool concerns(int fd) {
    return static_cast<unsigned>(fd) < kDescriptors &&
           is_noted_[fd].load(std::memory_order_relaxed);
  }
  /// Before `fd` is closed or replaced. `connection`: what is behind it, or null; `other_fd`:
  /// another descriptor of this process for the same connection, -1 if this is the last.
  static void closing(int fd, Connection* connection, int other_fd) {
    if (static_cast<unsigned>(fd) >= kDescriptors || end_.load(std::memory_order_relaxed) == 0) {
      return;
    }
    // It may be a member by the number of a descriptor that was closed before.
    const bool leaves = connection != nullptr && other_fd < 0;
    if (leaves || concerns(fd)) {
      closing_noted(fd, connection, other_fd);
    }
  }
  /// Around the moment at which every descriptor of `connection` becomes one of another socket,
  /// which is nobody's connection: registrations are the file's, so the kernel forgets them before
  /// and learns them anew after.
  static void leave_for(Connection& connection) { move_members(connection, false); }
  static void come_back(Connection& connection) { move_members(connection, true); }
  /// The socket stays, and its registrations; what it was connected to is no more.
  static void disconnected(Connection& connection);
  /// After `to` has become a copy of `from`.
  static void duplicated(int from, int to);
  static void before_fork();
  static void after_fork(bool in_child);

 private:
  friend class EpollSet;
  static constexpr std::size_t kDescriptors = 1U << 20U;

  static EpollSet* at(std::uint32_t index);
  static std::uint32_t forks() { return forks_.load(std::memory_order_relaxed); }
  static void closing_noted(int fd, Connection* connection, int other_fd);
  static void move_members(Connection& connection, bool back);
  static void close_set(int epfd, std::uint32_t number);

  static constinit std::atomic<std::uint16_t> by_fd_[kDescriptors];  ///< Index + 1; 0: no set.
  static constinit std::atomic<bool> is_noted_[kDescriptors];        ///< A set, or a member of one.
  static constinit std::atomic<std::uint32_t> end_;                  ///< Sets ever used.
  static constinit std::atomic<std::uint32_t> forks_;
};

}  // namespace leat::preload
