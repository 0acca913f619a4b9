#include "leat/reactor/internal/wait.h"

#include <cerrno>
#include <string>

#include "leat/base/assert.h"
#include "leat/reactor/internal/strand.h"
#include "leat/reactor/internal/task_runner.h"

namespace leat::internal {

Wait::~Wait() {
  if (is_waiting()) strand_->stop_waiting();
}

bool Wait::is_waiting() const {
  return strand_ != nullptr && strand_->waits_for(*this);
}

bool Wait::await_in(Strand& strand) {
  if (!strand.is_cancelled()) return begin_in(strand);
  // A turn of the loop, so that a task which ignores its results does not hold the loop for ever.
  strand_ = &strand;
  was_cancelled_ = true;
  strand.suspend(*this);
  resume_later();
  return true;
}

bool Wait::begin_in(Strand& strand) {
  LEAT_ASSERT(strand_ == nullptr, "something was awaited twice");
  strand_ = &strand;
  strand.suspend(*this);
  bool waits = false;
  try {
    waits = begin();
  } catch (...) {
    strand.stay();
    throw;
  }
  if (!waits) strand.stay();
  return waits;
}

void Wait::give_up() {
  was_cancelled_ = true;
  resume_later();
}

Error Wait::cancelled(std::string_view what) {
  return Error::from_errno(ECANCELED, std::string(what));
}

void Wait::resume() {
  strand_->stop_waiting();
  strand_->runner().resume(*strand_);
}

void Wait::resume_later() {
  strand_->stop_waiting();
  strand_->runner().resume_later(*strand_);
}

void Wait::resume_soon() {
  strand_->stop_waiting();
  strand_->runner().resume_soon(*strand_);
}

}  // namespace leat::internal
