// Public: what a process and its forked children share with the broker: connections and counters.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "leat/smc/fallback_reason.h"

namespace leat::smc {

/// The addresses of a TCP socket, IPv4 in the first four bytes. Ports in host order.
struct SocketNames {
  std::uint16_t family = 0;  ///< AF_INET or AF_INET6; IPv4 mapped into IPv6 is stored as IPv4.
  std::uint16_t local_port = 0;
  std::uint16_t peer_port = 0;
  std::uint16_t reserved = 0;
  std::uint8_t local[16] = {};
  std::uint8_t peer[16] = {};

  friend bool operator==(const SocketNames&, const SocketNames&) = default;
  /// The same connection, as its other end names it.
  [[nodiscard]] SocketNames mirrored() const {
    SocketNames other = *this;
    other.local_port = peer_port;
    other.peer_port = local_port;
    for (int i = 0; i < 16; ++i) {
      other.local[i] = peer[i];
      other.peer[i] = local[i];
    }
    return other;
  }
};

///     free --> tcp --(earned)--> offered --(fetched, proved)--> shared
///               |                   |                             |
///               +-------------------+--------> pinned <-----------+ (for good; `reason` says why)
enum class SlotState : std::uint32_t {
  kFree = 0,
  kTcp = 1,
  kOffered = 2,
  kShared = 3,
  kPinned = 4
};

/// One TCP connection of a family of forked processes. Before it is accelerated this is what they
/// agree by: a child that accelerates it tells the parent here, and none of them may be inside a
/// native call when the lanes change.
struct alignas(64) ConnectionSlot {
  std::atomic<std::uint64_t> cookie;  ///< SO_COOKIE; 0 is free.
  std::atomic<SlotState> state;
  std::atomic<FallbackReason> reason;
  std::atomic<std::uint32_t> native_readers;  ///< Threads inside recv() of the kernel.
  std::atomic<std::uint32_t> native_writers;
  std::atomic<std::uint32_t>
      native_waiters;                  ///< Asleep in poll() and the like before it was shared.
  std::atomic<std::uint32_t> matched;  ///< Changed by the broker: there is something to fetch.
  std::atomic<std::uint32_t> holders;  ///< Processes of the family that have it open.
  std::uint32_t end;                   ///< 0 or 1, once shared.
  std::uint32_t calls;
  std::uint64_t bytes;
  std::uint64_t token;
  SocketNames names;
};

/// Counters of one family since it began; the broker adds up families, living and gone.
struct ProcessCounters {
  std::atomic<std::uint64_t> connections;  ///< TCP connections seen.
  std::atomic<std::uint64_t> shared;       ///< Of these accelerated.
  std::atomic<std::uint64_t> fallback[kFallbackReasons];
  std::atomic<std::uint64_t> spins_won;  ///< In epoll_wait, poll and select.
  std::atomic<std::uint64_t> spins_lost;
  std::atomic<std::uint64_t> folded_output;
  std::atomic<std::uint64_t> folded_input;
};

inline constexpr std::size_t kConnectionSlots = 8192;

/// A sealed memory file made by the broker at hello, or private memory where there is no broker.
/// Mapped shared before the program's main(), inherited by fork. Zeros but for the header.
struct ProcessPage {
  static constexpr std::uint64_t kMagic = 0x31304547'4150454cULL;
  std::uint64_t magic;
  std::uint32_t uid;
  std::int32_t pid;  ///< As the broker sees it; 0 from another pid namespace.
  char program[64];
  std::uint64_t token;  ///< Random; proves to the broker that the asker has the page.
  ProcessCounters counters;
  alignas(64) std::atomic<std::uint64_t> mail;  ///< Counts matches: some slot has `matched` set.
  ConnectionSlot slots[kConnectionSlots];
};

}  // namespace leat::smc
