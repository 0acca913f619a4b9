#include "kernel/steering_watch.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace leat::testing {

std::unique_ptr<SteeringWatch> SteeringWatch::create(const steering_filter& filter,
                                                     std::string& why) {
  if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0) {
    why = "this kernel has no BTF (/sys/kernel/btf/vmlinux)";
    return nullptr;
  }
  libbpf_set_print(nullptr);
  std::unique_ptr<SteeringWatch> watch(new SteeringWatch);
  why = watch->load(filter);
  if (!why.empty()) watch.reset();
  return watch;
}

std::string SteeringWatch::load(const steering_filter& filter) {
  const auto failed = [](const char* what) {
    return fmt::format("{}: {}", what, std::strerror(errno));
  };
  object_ = bpf_object__open_file(LEAT_STEERING_WATCH, nullptr);
  if (object_ == nullptr) return failed("opening " LEAT_STEERING_WATCH);
  if (bpf_object__load(object_) != 0) return failed("loading " LEAT_STEERING_WATCH);
  const std::uint32_t zero = 0;
  const int filter_map = bpf_object__find_map_fd_by_name(object_, "filter");
  if (bpf_map_update_elem(filter_map, &zero, &filter, BPF_ANY) != 0) return failed("filter");
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_) {
    bpf_link* link = bpf_program__attach(program);
    if (link == nullptr) return failed(bpf_program__name(program));
    links_.push_back(link);
  }
  const auto keep = [](void* self, void* data, std::size_t size) {
    steering_event event{};
    std::memcpy(&event, data, size < sizeof(event) ? size : sizeof(event));
    static_cast<SteeringWatch*>(self)->seen_.push_back(event);
    return 0;
  };
  ring_ = ring_buffer__new(bpf_object__find_map_fd_by_name(object_, "events"), keep, this, nullptr);
  return ring_ != nullptr ? "" : failed("ring buffer");
}

SteeringWatch::~SteeringWatch() {
  for (bpf_link* link : links_) bpf_link__destroy(link);
  if (ring_ != nullptr) ring_buffer__free(ring_);
  if (object_ != nullptr) bpf_object__close(object_);
}

std::vector<steering_event> SteeringWatch::take() {
  ring_buffer__consume(ring_);
  return std::exchange(seen_, {});
}

}  // namespace leat::testing
