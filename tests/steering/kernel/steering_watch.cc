#include "kernel/steering_watch.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace leat::testing {

std::unique_ptr<SteeringWatch> SteeringWatch::create(const steering_filter& filter,
                                                     std::string& why) {
  std::unique_ptr<SteeringWatch> watch(new SteeringWatch);
  const auto keep = [seen = &watch->seen_](std::span<const std::byte> bytes) {
    steering_event event{};
    std::memcpy(&event, bytes.data(), std::min(bytes.size(), sizeof(event)));
    seen->push_back(event);
  };
  watch->watch_ = BpfWatch::create(LEAT_STEERING_WATCH, keep, why);
  if (watch->watch_ == nullptr) return nullptr;
  if (watch->watch_->set_filter(&filter)) return watch;
  why = "the filter of " LEAT_STEERING_WATCH;
  return nullptr;
}

std::vector<steering_event> SteeringWatch::take() {
  watch_->consume();
  return std::exchange(seen_, {});
}

}  // namespace leat::testing
