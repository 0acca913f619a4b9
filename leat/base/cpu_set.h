// Public: a set of CPU numbers, in the forms in which the kernel reads and writes them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "leat/base/result.h"

namespace leat {

/// Grows with its highest member, so a machine of more than 1024 CPUs is nothing special. A value;
/// one thread at a time. Iteration gives the members in ascending order.
///
///     words_[0]        words_[1]
///     +--------------+ +--------------+
///     | 63 ... 2 1 0 | | 127 ... 65 64|   bit set: member; the last word is never 0
///     +--------------+ +--------------+
class CpuSet {
 public:
  /// Members are 0 to kMaxCpus - 1: eight times what Linux can be configured for.
  static constexpr int kMaxCpus = 65'536;

  class Iterator;

  CpuSet() = default;
  [[nodiscard]] static CpuSet of(int cpu);
  [[nodiscard]] static CpuSet of(std::initializer_list<int> cpus);
  /// first, first + 1 ... last.
  [[nodiscard]] static CpuSet range(int first, int last);

  /// Reads the list form "0-3,8" (man 7 cpuset); nothing is the empty set. A newline at the end is
  /// skipped, for sysfs writes one. An error says what is wrong and at which column.
  [[nodiscard]] static Result<CpuSet> parse_list(std::string_view text);
  /// Reads the mask form "ff,00000001": groups of at most eight hexadecimal digits, 32 CPUs each,
  /// the highest first (man 7 cpuset).
  [[nodiscard]] static Result<CpuSet> parse_mask(std::string_view text);
  /// The CPUs that the calling thread may run on, by sched_getaffinity(2).
  [[nodiscard]] static Result<CpuSet> available();

  /// "0-3,8"; the empty set gives "".
  [[nodiscard]] std::string to_list() const;
  /// "ff,00000001"; the empty set gives "0".
  [[nodiscard]] std::string to_mask() const;

  /// `cpu` must be within 0 ... kMaxCpus - 1.
  void add(int cpu);
  void remove(int cpu);
  [[nodiscard]] bool contains(int cpu) const;
  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] bool empty() const { return words_.empty(); }
  /// The lowest member; the set must not be empty.
  [[nodiscard]] int first() const;

  [[nodiscard]] Iterator begin() const;
  [[nodiscard]] Iterator end() const;

  CpuSet& operator|=(const CpuSet& other);
  CpuSet& operator&=(const CpuSet& other);
  CpuSet& operator-=(const CpuSet& other);
  friend CpuSet operator|(CpuSet a, const CpuSet& b) { return a |= b; }
  friend CpuSet operator&(CpuSet a, const CpuSet& b) { return a &= b; }
  friend CpuSet operator-(CpuSet a, const CpuSet& b) { return a -= b; }
  friend bool operator==(const CpuSet&, const CpuSet&) = default;

  /// Lets the calling thread run on these CPUs only, by sched_setaffinity(2). Members that the
  /// machine lacks or a cpuset withholds are ignored as long as one remains.
  Result<void> pin_current_thread() const;

 private:
  using Word = std::uint64_t;
  static constexpr int kWordBits = 64;

  /// The lowest member >= `from`, or kMaxCpus.
  [[nodiscard]] int next(int from) const;
  void trim();

  std::vector<Word> words_;
};

class CpuSet::Iterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = int;
  using difference_type = std::ptrdiff_t;
  using pointer = const int*;
  using reference = int;

  Iterator() = default;
  int operator*() const { return cpu_; }
  Iterator& operator++() {
    cpu_ = set_->next(cpu_ + 1);
    return *this;
  }
  Iterator operator++(int) {
    const Iterator old = *this;
    ++*this;
    return old;
  }
  friend bool operator==(Iterator a, Iterator b) { return a.cpu_ == b.cpu_; }

 private:
  friend class CpuSet;
  Iterator(const CpuSet* set, int cpu) : set_(set), cpu_(cpu) {}

  const CpuSet* set_ = nullptr;
  int cpu_ = kMaxCpus;
};

inline CpuSet::Iterator CpuSet::begin() const {
  return Iterator(this, next(0));
}
inline CpuSet::Iterator CpuSet::end() const {
  return Iterator(this, kMaxCpus);
}

}  // namespace leat
