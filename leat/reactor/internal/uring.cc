#include "leat/reactor/internal/uring.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <new>
#include <thread>
#include <utility>

#include "leat/base/assert.h"
#include "leat/base/logging.h"

namespace leat::internal {

namespace {

io_uring_params parameters(unsigned completions) {
  io_uring_params wanted{};
  // DEFER_TASKRUN (6.1) implies the presence of multishot receive (6.0) and buffer rings (5.19).
  // R_DISABLED: the thread that enables the ring becomes its single issuer.
  wanted.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  wanted.cq_entries = completions;
  return wanted;
}

__kernel_timespec to_timespec(Duration timeout) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  return {.tv_sec = seconds.count(), .tv_nsec = (timeout - seconds).count()};
}

}  // namespace

Result<std::unique_ptr<Uring>> Uring::create() {
  std::unique_ptr<Uring> uring(new Uring);
  Result<void> opened = uring->open();
  if (!opened) return std::move(opened).error();
  return uring;
}

Uring::Uring() : lost_(std::make_unique<io_uring_sqe>()) {}

Result<void> Uring::open() {
  completions_.reserve(kCompletions);
  io_uring_params wanted = parameters(kCompletions);
  const int made = ::io_uring_queue_init_params(kSubmissions, &ring_, &wanted);
  if (made != 0) return Error::from_errno(-made, "io_uring_setup");
  is_open_ = true;
  // Debian 12's liburing declares io_uring_enable_rings() and does not have it.
  if (::syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) !=
      0) {
    return Error::from_errno(errno, "io_uring_register, enable rings");
  }
  // The descriptor of the ring is then looked up once, not in each call. Merely cheaper.
  ::io_uring_register_ring_fd(&ring_);
  Result<void> opened = buffers_.open(ring_);
  if (!opened) return opened;
  return probe();
}

/// A filter may allow to make a ring and not to use it.
Result<void> Uring::probe() {
  io_uring_sqe& nothing = entry();
  io_uring_prep_nop(&nothing);
  submit_unheard(nothing);
  const int entered = ::io_uring_submit(&ring_);
  if (entered < 0) return Error::from_errno(-entered, "io_uring_enter");
  return {};
}

namespace {

// Of linux/io_uring.h, Linux 6.9.
struct NapiParameters {
  std::uint32_t busy_poll_us;
  std::uint8_t prefer_busy_poll;
  std::uint8_t pad[3];
  std::uint64_t reserved;
};
static_assert(sizeof(NapiParameters) == 16);
constexpr unsigned kRegisterNapi = 27;

}  // namespace

Result<void> Uring::set_busy_poll(const BusyPollOptions& options) {
  const auto time = options.time.count();
  if (time < 0 || time > INT32_MAX || options.budget < 0 || options.budget > UINT16_MAX) {
    return Error::invalid_argument("BusyPollOptions out of range");
  }
  if (options.budget != 0) {
    return Error::from_errno(ENOTSUP, "busy polling of io_uring has no budget; epoll has");
  }
  NapiParameters wanted{.busy_poll_us = static_cast<std::uint32_t>(time),
                        .prefer_busy_poll = options.prefer,
                        .pad = {},
                        .reserved = 0};
  if (::syscall(__NR_io_uring_register, ring_.ring_fd, kRegisterNapi, &wanted, 1) == 0) return {};
  const int number = errno;
  return Error::from_errno(number == EINVAL ? ENOTSUP : number,
                           "busy polling of io_uring (needs Linux 6.9)");
}

Uring::~Uring() {
  if (!is_open_) return;
  drain();
  ::io_uring_queue_exit(&ring_);
}

void Uring::drain() {
  constexpr Duration kRound = std::chrono::milliseconds(10);
  constexpr int kMostQuietRounds = 100;
  if (in_flight_ > 0) {
    io_uring_sqe& all = entry();
    io_uring_prep_cancel64(&all, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    submit_unheard(all);
  }
  for (int quiet = 0; in_flight_ > 0 && quiet < kMostQuietRounds; ++quiet) {
    try {
      const Result<std::size_t> polled = poll(kRound);
      if (polled && *polled > 0) quiet = 0;
    } catch (const std::bad_alloc&) {
      std::this_thread::yield();
    }
    dispatch();
  }
  if (in_flight_ > 0) LEAT_LOG_ERROR("an io_uring ends with {} operations in flight", in_flight_);
}

// Requests.

io_uring_sqe& Uring::entry() {
  io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
  while (entry == nullptr) {
    flush();
    entry = ::io_uring_get_sqe(&ring_);
    // poll() tells.
    if (entry == nullptr && error_ != 0) return *lost_;
  }
  return *entry;
}

void Uring::submit(io_uring_sqe& entry, UringOperation& operation) {
  LEAT_ASSERT(!operation.in_flight_, "an operation was submitted twice");
  ::io_uring_sqe_set_data(&entry, &operation);
  operation.in_flight_ = true;
  ++in_flight_;
}

void Uring::cancel(UringOperation& operation) {
  io_uring_sqe& request = entry();
  io_uring_prep_cancel(&request, &operation, 0);
  submit_unheard(request);
}

void Uring::submit_unheard(io_uring_sqe& entry) {
  ::io_uring_sqe_set_data(&entry, nullptr);
  entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void Uring::close_later(UniqueFd descriptor) {
  io_uring_sqe& request = entry();
  if (&request == lost_.get()) return;  // closed here, by its owner
  io_uring_prep_close(&request, descriptor.release());
  submit_unheard(request);
}

void Uring::flush() {
  if (::io_uring_cq_ready(&ring_) >= kCompletions) {
    note_error(::io_uring_submit_and_get_events(&ring_));
  } else {
    // For no time, but for more than can come: since 6.13 the kernel would otherwise do 20 pieces
    // of the ring's work and leave what was cancelled behind them (IO_LOCAL_TW_DEFAULT_MAX).
    __kernel_timespec no_time{};
    io_uring_cqe* first = nullptr;
    note_error(::io_uring_submit_and_wait_timeout(&ring_, &first, kCompletions, &no_time, nullptr));
  }
  hand_in_rest();
}

void Uring::rest() {
  resting_ = true;
  if (::io_uring_sq_ready(&ring_) != 0) flush();
}

/// Short of memory the kernel may leave requests behind; it has more when answers were reaped.
void Uring::hand_in_rest() {
  while (error_ == 0 && ::io_uring_sq_ready(&ring_) != 0) {
    static_cast<void>(reap());
    std::this_thread::yield();
    note_error(::io_uring_submit_and_get_events(&ring_));
  }
}

// The loop's part.

int Uring::enter(std::optional<Duration> timeout) {
  if (timeout == Duration::zero()) return ::io_uring_submit_and_get_events(&ring_);
  if (!timeout) return ::io_uring_submit_and_wait(&ring_, 1);
  __kernel_timespec limit = to_timespec(*timeout);
  io_uring_cqe* first = nullptr;
  return ::io_uring_submit_and_wait_timeout(&ring_, &first, 1, &limit, nullptr);
}

void Uring::note_error(int entered) {
  const bool usual = entered >= 0 || entered == -ETIME || entered == -EINTR ||
                     // A full completion queue, or no memory for a request: reaping helps.
                     entered == -EBUSY || entered == -EAGAIN;
  if (!usual) error_ = -entered;
}

Result<std::size_t> Uring::poll(std::optional<Duration> timeout) {
  resting_ = false;
  if (forget_dispatched()) timeout = Duration::zero();
  // All memory before the wait: running out of it must lose nothing.
  completions_.reserve(completions_.size() + kCompletions);
  note_error(enter(timeout));
  hand_in_rest();
  reap_all();
  if (error_ != 0) return Error::from_errno(error_, "io_uring_enter");
  return completions_.size();
}

/// Whether some are left, because an exception ended the last dispatch().
bool Uring::forget_dispatched() {
  completions_.erase(completions_.begin(),
                     completions_.begin() + static_cast<std::ptrdiff_t>(next_));
  next_ = 0;
  return !completions_.empty();
}

/// The completion queue, and what the kernel kept aside when it was full.
void Uring::reap_all() {
  for (;;) {
    while (!reap()) completions_.reserve(completions_.size() + kCompletions);
    if (error_ != 0 || !::io_uring_cq_has_overflow(&ring_)) return;
    note_error(::io_uring_get_events(&ring_));
  }
}

/// Takes what there is memory for, and returns false if that was perhaps not all.
bool Uring::reap() {
  while (completions_.size() < completions_.capacity()) {
    io_uring_cqe* answer = nullptr;
    if (::io_uring_peek_cqe(&ring_, &answer) != 0) return true;
    note(*answer);
    ::io_uring_cqe_seen(&ring_, answer);
  }
  return false;
}

void Uring::note(const io_uring_cqe& answer) {
  auto* operation = static_cast<UringOperation*>(io_uring_cqe_get_data(&answer));
  if (operation == nullptr) return;
  completions_.push_back({operation, answer.res, answer.flags});
}

void Uring::dispatch() {
  while (next_ < completions_.size()) {
    const Completion completion = completions_[next_++];
    UringOperation* operation = completion.operation;
    if ((completion.flags & IORING_CQE_F_MORE) == 0) {
      operation->in_flight_ = false;
      --in_flight_;
    }
    operation->complete(completion.result, completion.flags);
  }
}

bool Uring::next_receives(const UringOperation& operation) const {
  if (next_ == completions_.size()) return false;
  const Completion& next = completions_[next_];
  return next.operation == &operation && next.result > 0 && (next.flags & IORING_CQE_F_BUFFER) != 0;
}

}  // namespace leat::internal
