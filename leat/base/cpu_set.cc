#include "leat/base/cpu_set.h"

#include <sched.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "leat/base/assert.h"

namespace leat {

// The kernel's masks are arrays of unsigned long, and so are ours (man 2 sched_setaffinity).
static_assert(sizeof(unsigned long) == sizeof(std::uint64_t));

CpuSet CpuSet::of(int cpu) {
  return of({cpu});
}

CpuSet CpuSet::of(std::initializer_list<int> cpus) {
  CpuSet set;
  for (const int cpu : cpus) set.add(cpu);
  return set;
}

CpuSet CpuSet::range(int first, int last) {
  CpuSet set;
  for (int cpu = first; cpu <= last; ++cpu) set.add(cpu);
  return set;
}

void CpuSet::add(int cpu) {
  LEAT_ASSERT(cpu >= 0 && cpu < kMaxCpus, "a CPU number out of range");
  const auto index = static_cast<std::size_t>(cpu / kWordBits);
  if (index >= words_.size()) words_.resize(index + 1);
  words_[index] |= Word{1} << (cpu % kWordBits);
}

void CpuSet::remove(int cpu) {
  if (!contains(cpu)) return;
  words_[static_cast<std::size_t>(cpu / kWordBits)] &= ~(Word{1} << (cpu % kWordBits));
  trim();
}

bool CpuSet::contains(int cpu) const {
  if (cpu < 0) return false;
  const auto index = static_cast<std::size_t>(cpu / kWordBits);
  return index < words_.size() && (words_[index] >> (cpu % kWordBits) & 1) != 0;
}

std::size_t CpuSet::count() const {
  std::size_t sum = 0;
  for (const Word word : words_) sum += static_cast<std::size_t>(std::popcount(word));
  return sum;
}

int CpuSet::first() const {
  LEAT_ASSERT(!empty(), "first() of an empty CPU set");
  return next(0);
}

int CpuSet::next(int from) const {
  auto index = static_cast<std::size_t>(from / kWordBits);
  if (index >= words_.size()) return kMaxCpus;
  Word word = words_[index] & (~Word{0} << (from % kWordBits));
  while (word == 0) {
    if (++index == words_.size()) return kMaxCpus;
    word = words_[index];
  }
  return static_cast<int>(index) * kWordBits + std::countr_zero(word);
}

void CpuSet::trim() {
  while (!words_.empty() && words_.back() == 0) words_.pop_back();
}

CpuSet& CpuSet::operator|=(const CpuSet& other) {
  words_.resize(std::max(words_.size(), other.words_.size()));
  for (std::size_t i = 0; i < other.words_.size(); ++i) words_[i] |= other.words_[i];
  return *this;
}

CpuSet& CpuSet::operator&=(const CpuSet& other) {
  words_.resize(std::min(words_.size(), other.words_.size()));
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
  trim();
  return *this;
}

CpuSet& CpuSet::operator-=(const CpuSet& other) {
  const std::size_t both = std::min(words_.size(), other.words_.size());
  for (std::size_t i = 0; i < both; ++i) words_[i] &= ~other.words_[i];
  trim();
  return *this;
}

Result<CpuSet> CpuSet::available() {
  CpuSet set;
  // The kernel refuses a mask shorter than its own, whose length it does not tell.
  for (std::size_t words = 16; words <= kMaxCpus / kWordBits; words *= 2) {
    set.words_.assign(words, 0);
    if (::sched_getaffinity(0, words * sizeof(Word),
                            reinterpret_cast<cpu_set_t*>(set.words_.data())) == 0) {
      set.trim();
      return set;
    }
    if (errno != EINVAL) break;
  }
  return Error::from_errno(errno, "read the CPUs available to this thread");
}

Result<void> CpuSet::pin_current_thread() const {
  if (empty()) return Error::invalid_argument("pin a thread to an empty CPU set");
  if (::sched_setaffinity(0, words_.size() * sizeof(Word),
                          reinterpret_cast<const cpu_set_t*>(words_.data())) != 0) {
    const int number = errno;
    return Error::from_errno(number, "pin a thread to CPUs " + to_list() +
                                         (number == EINVAL ? ", none of which it may use" : ""));
  }
  return {};
}

}  // namespace leat
