// Internal: an eBPF program of bpf/ that watches packets, loaded and attached.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

struct bpf_object;
struct bpf_link;
struct ring_buffer;

namespace leat::testing {

/// A program with a map `filter` of one entry and a ring `events`. One thread at a time.
class BpfWatch {
 public:
  using OnEvent = std::function<void(std::span<const std::byte>)>;

  /// Attached while it lives. nullptr where eBPF cannot be had, and then `why` says so.
  static std::unique_ptr<BpfWatch> create(const char* object, OnEvent on_event, std::string& why);
  ~BpfWatch();
  BpfWatch(const BpfWatch&) = delete;
  BpfWatch& operator=(const BpfWatch&) = delete;

  /// What it is to watch from now on; `filter` has the size of the map's value.
  bool set_filter(const void* filter);
  /// Calls on_event for each event since the last call, in their order.
  void consume();
  /// Events that are missing: those that found no room in the ring, where the program has a map
  /// `lost` that counts them, and those that came while the same program ran on that CPU already.
  [[nodiscard]] std::uint64_t missed() const;

 private:
  explicit BpfWatch(OnEvent on_event) : on_event_(std::move(on_event)) {}
  std::string load(const char* object);

  OnEvent on_event_;
  bpf_object* object_ = nullptr;
  ring_buffer* ring_ = nullptr;
  std::vector<bpf_link*> links_;
};

}  // namespace leat::testing
