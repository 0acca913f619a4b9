// Internal: a question to another loop, and its answer.
#pragma once

#include <future>
#include <optional>
#include <utility>

#include "leat/base/move_only_function.h"
#include "leat/base/result.h"
#include "leat/reactor/loop_handle.h"

namespace leat::internal {

/// Runs `work` on the loop and waits for it. Nothing comes back if the loop has ended, or ends
/// before its turn.
inline std::optional<Result<void>> run_and_wait(const LoopHandle& loop,
                                                MoveOnlyFunction<Result<void>()> work) {
  if (loop.is_in_loop_thread()) return work();
  std::optional<Result<void>> answer;
  // Destroyed unused, it ends the wait as well.
  std::promise<void> done;
  const std::future<void> waiting = done.get_future();
  const bool queued =
      loop.queue([&answer, work = std::move(work), done = std::move(done)]() mutable {
        answer = work();
        done.set_value();
      });
  if (queued) waiting.wait();
  return answer;
}

}  // namespace leat::internal
