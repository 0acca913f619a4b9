#include "leat/reactor/event_loop_thread_pool.h"

#include <utility>

#include <fmt/core.h>

namespace leat {

EventLoopThreadPool::EventLoopThreadPool(EventLoop& base, EventLoopThreadPoolOptions options)
    : base_(base), options_(std::move(options)), loops_{&base} {}

EventLoopThreadPool::~EventLoopThreadPool() {
  stop();
}

Result<void> EventLoopThreadPool::start() {
  base_.assert_in_loop_thread();
  if (started_) return {};
  if (options_.count == 0) {
    if (options_.on_start) options_.on_start(base_);
    started_ = true;
    return {};
  }
  loops_.clear();
  try {
    for (std::size_t i = 0; i < options_.count; ++i) {
      Result<void> thread = start_thread(i);
      if (!thread) {
        stop();
        return thread;
      }
    }
  } catch (...) {
    stop();
    throw;
  }
  started_ = true;
  return {};
}

Result<void> EventLoopThreadPool::start_thread(std::size_t index) {
  EventLoopThreadOptions options;
  options.name = fmt::format("{}-{}", options_.name, index);
  if (!options_.cpus.empty()) options.cpus = options_.cpus[index % options_.cpus.size()];
  options.poller = options_.poller;
  options.busy_poll = options_.busy_poll;
  if (options_.on_start) {
    options.on_start = [this](EventLoop& loop) { options_.on_start(loop); };
  }
  if (options_.on_exception) {
    options.on_exception = [this](EventLoop& loop, std::exception_ptr exception) {
      options_.on_exception(loop, std::move(exception));
    };
  }
  auto thread = std::make_unique<EventLoopThread>(std::move(options));
  Result<EventLoop*> loop = thread->start();
  if (!loop) return std::move(loop).error();
  threads_.push_back(std::move(thread));
  loops_.push_back(*loop);
  return {};
}

void EventLoopThreadPool::stop() {
  base_.assert_in_loop_thread();
  // All are told before the first is awaited: they end side by side.
  for (const auto& thread : threads_) thread->quit();
  threads_.clear();
  loops_.assign(1, &base_);
  next_ = 0;
  started_ = false;
}

EventLoop& EventLoopThreadPool::next_loop() {
  base_.assert_in_loop_thread();
  EventLoop& loop = *loops_[next_];
  next_ = (next_ + 1) % loops_.size();
  return loop;
}

std::size_t EventLoopThreadPool::one_per_cpu() {
  const Result<CpuSet> cpus = CpuSet::available();
  return cpus ? cpus->count() : 1;
}

std::vector<CpuSet> EventLoopThreadPool::one_cpu_each(const CpuSet& set) {
  std::vector<CpuSet> each;
  for (const int cpu : set) each.push_back(CpuSet::of(cpu));
  return each;
}

}  // namespace leat
