#include "veth/bpf_watch.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace leat::testing {

std::unique_ptr<BpfWatch> BpfWatch::create(const char* object, OnEvent on_event, std::string& why) {
  if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0) {
    why = "this kernel has no BTF (/sys/kernel/btf/vmlinux)";
    return nullptr;
  }
  libbpf_set_print(nullptr);
  std::unique_ptr<BpfWatch> watch(new BpfWatch(std::move(on_event)));
  why = watch->load(object);
  if (!why.empty()) watch.reset();
  return watch;
}

std::string BpfWatch::load(const char* object) {
  const auto failed = [](const char* what, const char* which) {
    return fmt::format("{} {}: {}", what, which, std::strerror(errno));
  };
  object_ = bpf_object__open_file(object, nullptr);
  if (object_ == nullptr) return failed("opening", object);
  if (bpf_object__load(object_) != 0) return failed("loading", object);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_) {
    bpf_link* link = bpf_program__attach(program);
    if (link == nullptr) return failed("attaching", bpf_program__name(program));
    links_.push_back(link);
  }
  const auto pass_on = [](void* self, void* data, std::size_t size) {
    static_cast<BpfWatch*>(self)->on_event_({static_cast<const std::byte*>(data), size});
    return 0;
  };
  ring_ =
      ring_buffer__new(bpf_object__find_map_fd_by_name(object_, "events"), pass_on, this, nullptr);
  return ring_ != nullptr ? "" : failed("the ring of", object);
}

BpfWatch::~BpfWatch() {
  for (bpf_link* link : links_) bpf_link__destroy(link);
  if (ring_ != nullptr) ring_buffer__free(ring_);
  if (object_ != nullptr) bpf_object__close(object_);
}

bool BpfWatch::set_filter(const void* filter) {
  const std::uint32_t zero = 0;
  const int map = bpf_object__find_map_fd_by_name(object_, "filter");
  return bpf_map_update_elem(map, &zero, filter, BPF_ANY) == 0;
}

void BpfWatch::consume() {
  ring_buffer__consume(ring_);
}

std::uint64_t BpfWatch::missed() const {
  std::uint64_t missed = 0;
  const std::uint32_t zero = 0;
  const int lost = bpf_object__find_map_fd_by_name(object_, "lost");
  if (lost >= 0) bpf_map_lookup_elem(lost, &zero, &missed);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_) {
    bpf_prog_info info{};
    std::uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0) {
      missed += info.recursion_misses;
    }
  }
  return missed;
}

}  // namespace leat::testing
