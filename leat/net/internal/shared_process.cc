#include "leat/net/internal/shared_process.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "leat/base/logging.h"
#include "leat/base/monotonic_time.h"
#include "leat/base/unique_fd.h"
#include "leat/reactor/internal/service_thread.h"
#include "leat/smc/broker.h"

namespace leat::internal {

namespace {

constexpr Duration kAskAgain = std::chrono::seconds(5);

bool is_off() {
  const char* leat = std::getenv("LEAT");  // NOLINT(concurrency-mt-unsafe): read once
  return leat != nullptr && std::strcmp(leat, "off") == 0;
}

smc::ProcessPage* map_page(const smc::BrokerDirectory& directory) {
  const smc::BrokerClient broker(directory.socket().c_str(), directory.trust);
  const smc::Answer answer = broker.hello(program_invocation_short_name);
  if (answer.kind != smc::Answer::Kind::kSegment) return nullptr;
  const UniqueFd fd(answer.fd);
  void* page = ::mmap(nullptr, sizeof(smc::ProcessPage), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_NORESERVE, fd.get(), 0);
  if (page == MAP_FAILED) return nullptr;
  auto* mapped = static_cast<smc::ProcessPage*>(page);
  if (mapped->magic == smc::ProcessPage::kMagic) return mapped;
  ::munmap(page, sizeof(smc::ProcessPage));
  return nullptr;
}

/// For as long as this process lives. False if another has come before, or it cannot be.
bool host_broker(const smc::BrokerDirectory& directory) {
  smc::BrokerOptions options;
  options.directory = directory;
  options.linger = Duration::zero();
  Result<std::unique_ptr<smc::Broker>> broker = smc::Broker::create(options);
  if (!broker) {
    LEAT_LOG_DEBUG("no broker for shared memory: {}", broker.error().message());
    return broker.error().number() == EEXIST;
  }
  Result<std::thread> thread =
      start_service_thread("leat-broker", [broker = std::move(*broker)]() mutable {
        if (Result<void> ran = broker->run(); !ran) {
          LEAT_LOG_WARN("the broker for shared memory has ended: {}", ran.error().message());
        }
      });
  if (!thread) return false;
  thread->detach();
  return true;
}

}  // namespace

SharedProcess* SharedProcess::get() {
  static std::mutex mutex;
  static SharedProcess* process = nullptr;  // lives as long as the program: loops may end last
  static const bool off = is_off();
  static const pid_t pid = ::getpid();
  static MonotonicTime ask_next;
  if (off || ::getpid() != pid) return nullptr;
  const std::lock_guard lock(mutex);
  if (process != nullptr || monotonic_now() < ask_next) return process;
  ask_next = monotonic_now() + kAskAgain;
  const smc::BrokerDirectory directory = smc::BrokerDirectory::standard();
  smc::ProcessPage* page = map_page(directory);
  if (page == nullptr && host_broker(directory)) page = map_page(directory);
  if (page == nullptr) return nullptr;
  LEAT_LOG_DEBUG("local connections may use shared memory, by the broker in {}", directory.path);
  process = new SharedProcess(directory, page);
  return process;
}

SharedProcess::SharedProcess(const smc::BrokerDirectory& directory, smc::ProcessPage* page)
    : broker_(directory.socket().c_str(), directory.trust), page_(page) {}

smc::ConnectionSlot* SharedProcess::take_slot() {
  const std::lock_guard lock(mutex_);
  for (std::size_t tried = 0; tried < smc::kConnectionSlots; ++tried) {
    smc::ConnectionSlot& slot = page_->slots[next_++ % smc::kConnectionSlots];
    if (slot.state.load(std::memory_order_relaxed) != smc::SlotState::kFree) continue;
    slot.matched.store(0, std::memory_order_relaxed);
    slot.state.store(smc::SlotState::kTcp, std::memory_order_relaxed);
    page_->counters.connections.fetch_add(1, std::memory_order_relaxed);
    return &slot;
  }
  return nullptr;
}

void SharedProcess::release_slot(smc::ConnectionSlot& slot) {
  const std::lock_guard lock(mutex_);
  slot.cookie.store(0, std::memory_order_relaxed);
  slot.state.store(smc::SlotState::kFree, std::memory_order_release);
}

std::uint32_t SharedProcess::index_of(const smc::ConnectionSlot& slot) const {
  return static_cast<std::uint32_t>(&slot - page_->slots);
}

}  // namespace leat::internal
