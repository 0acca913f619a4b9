// Internal: the members of one epoll set, found by descriptor and by the program's data.
#pragma once

#include <cstddef>
#include <cstdint>

#include "apps/preload/event_rules.h"

namespace leat::preload {

class Connection;

inline constexpr std::uint32_t kNoMember = ~0U;

/// A registration of the set in the kernel.
struct Member {
  Connection* connection = nullptr;  ///< None: something else than a TCP connection.
  std::uint64_t data = 0;            ///< The program's, as the kernel gives it back.
  Registration registration;
  int fd = -1;              ///< By which it was added; its complement once that is closed.
  int look_fd = -1;         ///< A descriptor of it that is open.
  std::int32_t inner = -1;  ///< The epoll set behind `fd`, by its number; -1: none.
  std::uint32_t forks = 0;  ///< EpollSets::forks() when it was added.
  bool used = false;
  bool counted = false;                  ///< Looked at: a shared connection, or a set.
  bool armed = false;                    ///< Holds one Connection::arm().
  bool sticky = false;                   ///< Stays armed: another process may sleep on it.
  std::uint32_t idle = 0;                ///< Scans in a row that found nothing.
  std::uint32_t scan_place = kNoMember;  ///< In the list of those that are looked at.
  std::uint32_t place = 0;               ///< On the set's boards; 0: none.
  std::uint32_t pass = 0;                ///< The harvest that has judged it last.
  std::uint32_t next_by_key = kNoMember;
  std::uint32_t next_by_data = kNoMember;
};

/// In pages of its own, that grow by doubling; no malloc. Members are known by their index, which
/// stays. One thread at a time: the set's lock.
///
///     +----------------+----------+-----------+-------------+
///     | Member[size]   | by key   | by data   | scan list   |   heads of chains; indices
///     +----------------+----------+-----------+-------------+
///
/// The key is the connection, or the descriptor of what is none. A descriptor that was closed while
/// another of the same connection lives stays a member, as in the kernel.
class MemberTable {
 public:
  /// A new member; kNoMember if there is no memory.
  std::uint32_t add(Connection* connection, int fd, std::uint64_t data);
  void remove(std::uint32_t index);
  /// After MOD.
  void set_data(std::uint32_t index, std::uint64_t data);
  /// `fd` has turned out to be a connection.
  void set_connection(std::uint32_t index, Connection* connection);

  [[nodiscard]] std::uint32_t find(const Connection* connection, int fd) const;
  /// The first with this key, and the next; for all descriptors of a connection.
  [[nodiscard]] std::uint32_t first_of(const Connection* connection, int fd) const;
  [[nodiscard]] std::uint32_t next_of(std::uint32_t index) const;
  [[nodiscard]] std::uint32_t first_with(std::uint64_t data) const;
  [[nodiscard]] std::uint32_t next_with(std::uint32_t index) const;

  Member& operator[](std::uint32_t index) { return members_[index]; }
  [[nodiscard]] std::size_t count() const { return count_; }
  /// Indices below this may be used.
  [[nodiscard]] std::uint32_t end() const { return end_; }

  // The list of members that are looked at before a sleep.
  void scan(std::uint32_t index);
  void stop_scanning(std::uint32_t index);
  [[nodiscard]] std::uint32_t scanned() const { return scanned_; }
  [[nodiscard]] std::uint32_t scanned_at(std::uint32_t place) const { return scan_[place]; }

  /// Gives the memory back.
  void clear();

 private:
  static std::uint64_t key_of(const Connection* connection, int fd);
  [[nodiscard]] std::uint32_t bucket(std::uint64_t value) const;
  bool grow();
  void place(char* memory, std::uint32_t size);
  void link(std::uint32_t index);
  void unlink_key(std::uint32_t index);
  void unlink_data(std::uint32_t index);

  Member* members_ = nullptr;
  std::uint32_t* by_key_ = nullptr;
  std::uint32_t* by_data_ = nullptr;
  std::uint32_t* scan_ = nullptr;
  std::uint32_t size_ = 0;  ///< A power of two.
  std::uint32_t end_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t scanned_ = 0;
  std::uint32_t free_ = kNoMember;  ///< Chained by next_by_key.
};

}  // namespace leat::preload
