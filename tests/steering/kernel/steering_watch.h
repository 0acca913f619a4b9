// Internal: sees where the kernel steered each packet, by bpf/steering_watch.bpf.c.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "steering_event.h"
#include "veth/bpf_watch.h"

namespace leat::testing {

/// Loaded and attached while it lives. One thread at a time.
class SteeringWatch {
 public:
  /// nullptr where eBPF cannot be had, and then `why` says so.
  static std::unique_ptr<SteeringWatch> create(const steering_filter& filter, std::string& why);

  /// What was seen since the last call, in the order in which it was.
  std::vector<steering_event> take();

 private:
  SteeringWatch() = default;

  std::unique_ptr<BpfWatch> watch_;
  std::vector<steering_event> seen_;
};

}  // namespace leat::testing
