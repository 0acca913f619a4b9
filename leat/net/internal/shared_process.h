// Internal: what all loops of a program that uses leat/net share with the broker.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "leat/smc/broker_client.h"
#include "leat/smc/broker_directory.h"
#include "leat/smc/process_page.h"

namespace leat::internal {

/// One for the process, made at the first connection that has earned shared memory, and never
/// destroyed. Any thread.
class SharedProcess {
 public:
  /// Null if LEAT=off, in a child that forked after the first call, or where no broker can be; one
  /// is looked for again some seconds later. Where none answers, a thread of this process is it.
  [[nodiscard]] static SharedProcess* get();

  [[nodiscard]] const smc::BrokerClient& broker() const { return broker_; }
  [[nodiscard]] std::uint64_t token() const { return page_->token; }
  /// Changes when the peer of some offer has come.
  [[nodiscard]] std::uint64_t mail() const { return page_->mail.load(std::memory_order_acquire); }
  [[nodiscard]] smc::ProcessCounters& counters() { return page_->counters; }

  /// A row of the page for a connection; null if all are taken.
  [[nodiscard]] smc::ConnectionSlot* take_slot();
  void release_slot(smc::ConnectionSlot& slot);
  [[nodiscard]] std::uint32_t index_of(const smc::ConnectionSlot& slot) const;

 private:
  SharedProcess(const smc::BrokerDirectory& directory, smc::ProcessPage* page);

  smc::BrokerClient broker_;
  smc::ProcessPage* page_;
  std::mutex mutex_;
  std::uint32_t next_ = 0;
};

/// A row, given back at its end.
class SlotLease {
 public:
  SlotLease() = default;
  SlotLease(SharedProcess& process, smc::ConnectionSlot* slot) : process_(&process), slot_(slot) {}
  SlotLease(SlotLease&& other) noexcept : process_(other.process_), slot_(other.slot_) {
    other.slot_ = nullptr;
  }
  SlotLease& operator=(SlotLease&& other) noexcept {
    std::swap(process_, other.process_);
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~SlotLease() {
    if (slot_ != nullptr) process_->release_slot(*slot_);
  }
  [[nodiscard]] explicit operator bool() const { return slot_ != nullptr; }
  [[nodiscard]] smc::ConnectionSlot* operator->() const { return slot_; }
  [[nodiscard]] smc::ConnectionSlot& operator*() const { return *slot_; }

 private:
  SharedProcess* process_ = nullptr;
  smc::ConnectionSlot* slot_ = nullptr;
};

}  // namespace leat::internal
