// Internal: sees where the kernel steered each packet, by bpf/steering_watch.bpf.c.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "steering_event.h"

struct bpf_object;
struct bpf_link;
struct ring_buffer;

namespace leat::testing {

/// Loaded and attached while it lives. One thread at a time.
class SteeringWatch {
 public:
  /// nullptr where eBPF cannot be had, and then `why` says so.
  static std::unique_ptr<SteeringWatch> create(const steering_filter& filter, std::string& why);
  ~SteeringWatch();
  SteeringWatch(const SteeringWatch&) = delete;
  SteeringWatch& operator=(const SteeringWatch&) = delete;

  /// What was seen since the last call, in the order in which it was.
  std::vector<steering_event> take();

 private:
  SteeringWatch() = default;
  std::string load(const steering_filter& filter);

  bpf_object* object_ = nullptr;
  ring_buffer* ring_ = nullptr;
  std::vector<bpf_link*> links_;
  std::vector<steering_event> seen_;
};

}  // namespace leat::testing
