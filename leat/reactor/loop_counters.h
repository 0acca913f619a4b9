// Public: what a loop has done so far.
#pragma once

#include "leat/base/counter.h"

namespace leat {

/// Written by the loop, readable from any thread while it runs.
struct LoopCounters {
  Counter iterations;    ///< Rounds of the loop.
  Counter events;        ///< Channels found ready.
  Counter empty_polls;   ///< Polls that waited and then found neither channel nor timer.
  Counter wake_ups;      ///< Times another thread ended the wait.
  Counter timers_fired;  ///< Timer callbacks called.
  Counter tasks_run;     ///< Queued tasks run.
};

}  // namespace leat
