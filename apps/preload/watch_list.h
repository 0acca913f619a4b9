// Internal: the shared connections among the descriptors of one poll() or select().
#pragma once

#include <cstddef>
#include <cstdint>

#include "apps/preload/connection.h"

namespace leat::preload {

class EpollSet;

/// Lives for one call of the program, on its stack; with many connections in pages of its own.
class WatchList {
 public:
  struct Entry {
    Connection* connection;  ///< Entered: stays mapped, whoever closes the descriptor meanwhile.
    int fd;
    std::uint32_t place;  ///< The caller's.
    bool wants_input;
    bool is_shared;
    bool is_readable;  ///< By look().
  };
  struct Set {
    EpollSet* set;
    int fd;
    std::uint32_t place;
  };

  /// For at most `most` descriptors.
  explicit WatchList(std::size_t most) : most_(most) {}
  WatchList(const WatchList&) = delete;
  WatchList& operator=(const WatchList&) = delete;
  ~WatchList();

  void add(int fd, std::uint32_t place, bool wants_input);
  /// The kernel alone knows all there is to know.
  [[nodiscard]] bool is_empty() const { return count_ == 0 && sets_ == 0; }
  [[nodiscard]] bool has_rings() const { return has_shared_ || sets_ != 0; }

  /// Around the kernel's own call while nothing is shared: who shares it meanwhile must know.
  void begin_plain();
  void end_plain();
  /// Whether rings have input that is asked for. Exact; marks the entries.
  bool look();
  /// Looks as long as it pays; true if that found something.
  bool spin();
  /// After a sleep of so long that no spin went before.
  void slept(std::int64_t nanoseconds);
  [[nodiscard]] bool has_spun() const { return has_spun_; }
  void arm();
  void disarm();

  Entry* begin() { return entries_; }
  Entry* end() { return entries_ + count_; }
  Set* sets_begin() { return set_; }
  Set* sets_end() { return set_ + sets_; }

 private:
  static constexpr std::size_t kOnStack = 32;
  static constexpr std::size_t kSets = 8;  ///< More are watched as the kernel has them.
  bool has_room();

  std::size_t most_;
  std::size_t count_ = 0;
  std::size_t sets_ = 0;
  std::size_t mapped_ = 0;  ///< Bytes.
  bool has_shared_ = false;
  bool has_spun_ = false;
  Set set_[kSets];
  Entry* entries_ = reinterpret_cast<Entry*>(on_stack_);
  alignas(Entry) unsigned char on_stack_[kOnStack * sizeof(Entry)];
};

}  // namespace leat::preload
