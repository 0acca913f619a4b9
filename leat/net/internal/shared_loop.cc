#include "leat/net/internal/shared_loop.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "leat/net/internal/shared_join.h"
#include "leat/net/internal/shared_process.h"
#include "leat/net/internal/shared_transport.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/event_loop.h"

namespace leat::internal {

namespace {

constexpr std::uint32_t kColdAfter = 256;

/// Tells the core that this loop waits for another's store.
void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

std::uint64_t now_in_nanoseconds() {
  return static_cast<std::uint64_t>(monotonic_now().time_since_epoch().count());
}

smc::SpinConditions spin_conditions() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  ::sched_getaffinity(0, sizeof allowed, &allowed);
  return {.allowed_cpus = static_cast<std::uint32_t>(CPU_COUNT(&allowed))};
}

}  // namespace

SharedLoop& SharedLoop::of(EventLoop& loop) {
  if (loop.source() == nullptr) loop.set_source(std::unique_ptr<LoopSource>(new SharedLoop));
  return static_cast<SharedLoop&>(*loop.source());
}

SharedLoop::SharedLoop() : conditions_(spin_conditions()) {}
SharedLoop::~SharedLoop() = default;

void SharedLoop::add(SharedTransport& transport) {
  transport.place = hot_.size();
  transport.idle_rounds = 0;
  hot_.push_back(&transport);
}

void SharedLoop::remove(SharedTransport& transport) {
  const std::size_t place = std::exchange(transport.place, SharedTransport::kNowhere);
  if (place == SharedTransport::kNowhere) return;
  hot_[place] = nullptr;
  if (!dispatching_) drop_holes();
}

void SharedLoop::warm(SharedTransport& transport) {
  transport.idle_rounds = 0;
  if (transport.place != SharedTransport::kNowhere) return;
  transport.disarm();
  add(transport);
}

void SharedLoop::drop_holes() {
  std::erase(hot_, nullptr);
  for (std::size_t i = 0; i < hot_.size(); ++i) hot_[i]->place = i;
}

void SharedLoop::join(const std::shared_ptr<TcpConnection>& connection, bool connects) {
  SharedProcess* process = SharedProcess::get();
  if (process == nullptr) return;
  auto join = std::make_unique<SharedJoin>(connection, *process, connects);
  if (!join->step()) joins_.push_back(std::move(join));
}

bool SharedLoop::has_input() {
  return std::any_of(hot_.begin(), hot_.end(), [](SharedTransport* t) { return t->has_input(); });
}

bool SharedLoop::spin() {
  const std::uint64_t begin = now_in_nanoseconds();
  const std::uint64_t limit = budget_.next(begin, conditions_);
  if (limit == 0) return false;
  for (;;) {
    for (int i = 0; i < 32; ++i) {
      if (has_input()) {
        budget_.won(now_in_nanoseconds() - begin);
        return true;
      }
      relax();
    }
    const std::uint64_t now = now_in_nanoseconds();
    if (now - begin >= limit) {
      budget_.lost(now, 0);
      return false;
    }
  }
}

bool SharedLoop::prepare_to_sleep() {
  if (hot_.empty()) return true;
  if (spin()) return false;
  bool empty = true;
  for (SharedTransport* transport : hot_) empty = transport->arm() && empty;
  return empty;
}

void SharedLoop::woke_up() {
  for (SharedTransport* transport : hot_) transport->disarm();
}

void SharedLoop::dispatch() {
  if (!joins_.empty()) {
    std::erase_if(joins_, [](const std::unique_ptr<SharedJoin>& join) { return join->step(); });
  }
  dispatching_ = true;
  bool holes = false;
  for (std::size_t i = 0; i < hot_.size(); ++i) {
    SharedTransport* const transport = hot_[i];
    if (transport == nullptr) {
      holes = true;
    } else if (transport->has_input()) {
      transport->idle_rounds = 0;
      transport->pump();
    } else if (++transport->idle_rounds >= kColdAfter && transport->arm()) {
      hot_[i] = nullptr;
      transport->place = SharedTransport::kNowhere;
      holes = true;
    }
  }
  dispatching_ = false;
  if (holes || std::find(hot_.begin(), hot_.end(), nullptr) != hot_.end()) drop_holes();
}

}  // namespace leat::internal
