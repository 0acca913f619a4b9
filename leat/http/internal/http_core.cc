#include "leat/http/internal/http_core.h"

#include <algorithm>

namespace leat::http::internal {

void HttpCore::add_route(Route route) {
  std::erase_if(routes_, [&](const Route& other) { return other.path == route.path; });
  const auto place = std::find_if(routes_.begin(), routes_.end(), [&](const Route& other) {
    return other.path.size() < route.path.size();
  });
  routes_.insert(place, std::move(route));
}

const Route* HttpCore::find_route(std::string_view path) const {
  for (const Route& route : routes_) {
    const bool is_prefix = route.path.empty() || route.path.back() == '/';
    if (path == route.path || (is_prefix && path.starts_with(route.path))) return &route;
  }
  return nullptr;
}

std::shared_ptr<LoopState> HttpCore::state_of(const EventLoop& loop) {
  const std::lock_guard lock(mutex_);
  for (const auto& [known, state] : states_) {
    if (known == &loop) return state;
  }
  return states_.emplace_back(&loop, std::make_shared<LoopState>(options_)).second;
}

std::vector<const HttpCounters*> HttpCore::counters() const {
  const std::lock_guard lock(mutex_);
  std::vector<const HttpCounters*> out;
  for (const auto& [loop, state] : states_) out.push_back(&state->counters());
  return out;
}

}  // namespace leat::http::internal
