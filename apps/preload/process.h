// Internal: what this process knows of itself: its settings, its page, its broker.
#pragma once

#include <cstdint>

#include "leat/smc/broker_client.h"
#include "leat/smc/fallback_reason.h"
#include "leat/smc/process_page.h"

namespace leat::preload {

/// Read once from the environment, by the constructor of the library.
struct Settings {
  bool off = false;    ///< LEAT=off, or LEAT_PROGRAMS does not allow this program.
  bool debug = false;  ///< LEAT_DEBUG=1.
  smc::FallbackReason off_reason = smc::FallbackReason::kOff;
  /// What a connection must have done before anything is made for it: LEAT_EARN_CALLS, and
  /// LEAT_EARN_BYTES.
  std::uint32_t earned_calls = 16;
  std::uint32_t earned_bytes = 64U << 10U;
  std::uint32_t receive_ring = 0;  ///< LEAT_RCVBUF; 0: the default.
  std::uint32_t send_ring = 0;     ///< LEAT_SNDBUF, for a peer that has not asked for a size.
};

/// Made by the constructor; before it has run, nothing is accelerated. Forked children have the
/// parent's page, and are one family with it.
class Process {
 public:
  static void start();
  [[nodiscard]] static bool is_on() { return page_ != nullptr && !gave_up_; }
  /// For good, for a reason that concerns the whole process (io_uring).
  static void give_up() { gave_up_ = true; }

  [[nodiscard]] static const Settings& settings() { return settings_; }
  [[nodiscard]] static bool port_is_allowed(std::uint16_t one, std::uint16_t other);
  [[nodiscard]] static smc::ProcessPage* page() { return page_; }
  [[nodiscard]] static const smc::BrokerClient& broker();
  [[nodiscard]] static bool has_broker() { return has_broker_; }

  /// The lock's name of the calling thread, asked for once.
  [[nodiscard]] static std::uint32_t this_thread() { return thread_ != 0 ? thread_ : ask_thread(); }
  /// Whether tables and counts are this process's own: a child of vfork() borrows its parent's.
  [[nodiscard]] static bool is_ours();
  /// In a child that got a copy of everything.
  static void forked();

  /// Of a spin in poll, select or epoll_wait, for the tools.
  static void count_spin(bool won) {
    if (page_ == nullptr) return;
    std::atomic<std::uint64_t>& count =
        won ? page_->counters.spins_won : page_->counters.spins_lost;
    count.fetch_add(1, std::memory_order_relaxed);
  }

  /// One line on standard error, if LEAT_DEBUG asks for it.
  static void debug(const char* event, std::uint64_t number, int fd);

 private:
  static std::uint32_t ask_thread();
  static void greet_broker();

  static constinit Settings settings_;
  static constinit smc::ProcessPage* page_;
  static constinit bool has_broker_;
  static constinit bool gave_up_;
  static constinit int pid_;
  static constinit thread_local std::uint32_t thread_;
};

}  // namespace leat::preload
