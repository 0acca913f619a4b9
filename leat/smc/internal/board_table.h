// Internal: the board pages that this process has mapped, each once however many links use it.
#pragma once

#include <cstdint>

#include "leat/smc/ready_board.h"

namespace leat::smc::internal {

/// Any thread, and in signal handlers; neither locks nor allocates. A forked child inherits the
/// table as it is. kMost pages at most: a link beyond does without, and its end is woken singly.
class BoardTable {
 public:
  static constexpr std::uint32_t kMost = 256;

  /// The page of this token, held once more; null if it is not mapped.
  static BoardPage* hold(std::uint64_t token);
  /// Maps and holds it. Closes `fd`. Null: no room, or not a page.
  static BoardPage* add(std::uint64_t token, int fd);
  static void hold_again(BoardPage* page);
  static void release(BoardPage* page);
};

}  // namespace leat::smc::internal
