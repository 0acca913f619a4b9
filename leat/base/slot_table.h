// Public: a table that gives each element a number which is never mistaken for another's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "leat/base/assert.h"

namespace leat {

/// Insert, find and erase in constant time, elements that never move, keys that go stale for good:
/// an erased key finds nothing, even when its slot holds another element. Key 0 is never given, so
/// it can mean "none". A table that never held anything owns no memory; slots of erased elements
/// are kept and used again, the last erased first. One thread at a time.
///
///     key      +------------------+------------------+
///              | generation  (32) | index  (32)      |
///              +------------------+------------------+
///     index    | chunk  (24)           | in it  (8)  |
///
///     chunks_ -> [0] -> | slot 0 | slot 1 | ... | slot 255 |
///                [1] -> | slot 256 | ...
///
/// A slot's generation counts its inserts and erases, so it is odd while the slot is occupied. A
/// slot whose generations are used up is given up, at the price of its memory, before a key could
/// come a second time. (The generational index is old knowledge of game engines.)
///
/// `kLastGeneration` is for tests.
template <typename T, std::uint32_t kLastGeneration = 0xffff'ffff>
class SlotTable {
  static_assert(kLastGeneration % 2 == 1, "the last generation is an occupied one");

 public:
  using Key = std::uint64_t;

  SlotTable() = default;
  SlotTable(const SlotTable&) = delete;
  SlotTable& operator=(const SlotTable&) = delete;
  /// Destroys the elements; their destructors must not insert into the table.
  ~SlotTable() {
    clear();
    LEAT_ASSERT(empty(), "an element inserted another while the table was destroyed");
  }

  /// Makes an element and gives its key. T's constructor must not change this table; if it throws,
  /// the table is as it was. Throws std::bad_alloc without memory.
  template <typename... Args>
  Key emplace(Args&&... args) {
    const std::uint32_t index = free_ != kNone ? free_ : fresh_index();
    Slot& slot = slot_at(index);
    ::new (static_cast<void*>(slot.storage)) T(std::forward<Args>(args)...);
    if (free_ != kNone) {
      free_ = slot.next_free;
    } else {
      ++used_;
    }
    ++slot.generation;
    ++size_;
    return key_of(slot, index);
  }
  Key insert(T value) { return emplace(std::move(value)); }

  /// The element, or nullptr if the key is stale or was never given. The address holds until the
  /// element is erased.
  [[nodiscard]] T* find(Key key) {
    Slot* slot = occupied_slot(key);
    return slot != nullptr ? slot->value() : nullptr;
  }
  [[nodiscard]] const T* find(Key key) const { return const_cast<SlotTable*>(this)->find(key); }

  /// Destroys the element; false if the key is stale. The key is stale already when T's destructor
  /// runs, which may use the table.
  bool erase(Key key) {
    Slot* slot = occupied_slot(key);
    if (slot == nullptr) return false;
    const bool used_up = slot->generation == kLastGeneration;
    slot->generation = used_up ? 0 : slot->generation + 1;
    --size_;
    slot->value()->~T();
    if (!used_up) slot->next_free = std::exchange(free_, static_cast<std::uint32_t>(key));
    return true;
  }

  /// Erases all elements and keeps their slots. What a T's destructor inserts meanwhile may stay.
  void clear() {
    for_each([this](Key key, T&) { erase(key); });
  }

  /// Calls `visit(key, element)` for all, in the order of their slots. `visit` may erase the
  /// element it was given; it may insert, and then it is open whether the new one is visited.
  template <typename Visit>
  void for_each(Visit&& visit) {
    for (std::uint32_t index = 0; index < used_; ++index) {
      Slot& slot = slot_at(index);
      if (slot.generation % 2 == 1) visit(key_of(slot, index), *slot.value());
    }
  }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

 private:
  static constexpr std::uint32_t kChunkBits = 8;
  static constexpr std::uint32_t kChunkSize = 1u << kChunkBits;
  static constexpr std::uint32_t kNone = 0xffff'ffff;

  struct Slot {
    T* value() { return std::launder(reinterpret_cast<T*>(storage)); }

    std::uint32_t generation = 0;
    std::uint32_t next_free = kNone;  // valid while the slot is free
    alignas(T) std::byte storage[sizeof(T)];
  };

  static Key key_of(const Slot& slot, std::uint32_t index) {
    return Key{slot.generation} << 32 | index;
  }
  Slot& slot_at(std::uint32_t index) {
    return chunks_[index >> kChunkBits][index & (kChunkSize - 1)];
  }
  Slot* occupied_slot(Key key) {
    const auto index = static_cast<std::uint32_t>(key);
    const auto generation = static_cast<std::uint32_t>(key >> 32);
    if (index >= used_) return nullptr;
    Slot& slot = slot_at(index);
    return slot.generation == generation && generation % 2 == 1 ? &slot : nullptr;
  }
  std::uint32_t fresh_index() {
    LEAT_ASSERT(used_ != kNone, "a table of 2^32 - 1 elements");
    if ((used_ >> kChunkBits) == chunks_.size()) {
      // Not make_unique, which would clear the storage as well.
      chunks_.push_back(std::unique_ptr<Slot[]>(new Slot[kChunkSize]));
    }
    return used_;
  }

  std::vector<std::unique_ptr<Slot[]>> chunks_;
  std::size_t size_ = 0;
  std::uint32_t used_ = 0;  // slots that were ever occupied: 0 ... used_ - 1
  std::uint32_t free_ = kNone;
};

}  // namespace leat
