// Public: a piece of work for a loop.
#pragma once

#include "leat/base/move_only_function.h"

namespace leat {

/// Runs once on a loop's thread and is destroyed there; what it captured is destroyed with it.
using LoopTask = MoveOnlyFunction<void()>;

}  // namespace leat
