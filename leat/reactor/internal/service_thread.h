// Internal: how the library makes its threads.
#pragma once

#include <string>
#include <thread>

#include "leat/base/result.h"
#include "leat/reactor/loop_task.h"

namespace leat::internal {

/// A thread that runs `main`, with the first 15 bytes of `name` as its name (the kernel keeps no
/// more) and all asynchronous signals blocked from its first instruction on: a signal meant for
/// the process then goes to a thread that waits for it, such as a SignalWatcher's, and interrupts
/// no loop. What a thread's own fault raises and profiling timers stay unblocked. Fails with
/// EAGAIN (pthread_create(3)).
[[nodiscard]] Result<std::thread> start_service_thread(std::string name, LoopTask main);

}  // namespace leat::internal
