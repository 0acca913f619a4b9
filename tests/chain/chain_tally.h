// Internal: how much of each connection was done on the CPU of its loop.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "chain_event.h"

namespace leat::testing {

/// Of so many, so many on the CPU that they should be on.
struct Share {
  std::uint64_t at_home = 0;
  std::uint64_t all = 0;

  void count(bool home) {
    at_home += home;
    ++all;
  }
  Share& operator+=(const Share& other);
  /// 0 to 100; 100 if there was nothing.
  [[nodiscard]] double percent() const;
};

/// Of an accepted connection.
struct AcceptedConnection {
  std::uint16_t client_port = 0;
  int home = 0;        ///< The CPU that its loop was given.
  int accept_cpu = 0;  ///< Where its loop was when it came.
};

/// Counts events by the steps of a connection's way.
///
///     SYN, ACK      | first request ... last answer | FIN ...
///     ------------- | ----------------------------- | -----------
///     handshake     | data                          | closing       (packets received)
class ChainTally {
 public:
  Share arrived;    ///< Received packets, where they were before RPS and RFS.
  Share handshake;  ///< Received packets before the first with payload, where TCP had them.
  Share data;       ///< Those from there on,
  Share closing;    ///< and those from the client's FIN on.
  Share accepted;
  Share read;
  Share sent;      ///< Packets sent, by CPU.
  Share sent_by;   ///< Packets sent, by transmit queue: that of its home.
  Share of_short;  ///< Receive processing, accept, reading and sending (by CPU and queue both),
  Share of_long;   ///< of the one kind of connections and of the other.
  std::uint64_t strangers = 0;  ///< Events of no accepted connection.

  /// `queues`: the transmit queue of each home.
  ChainTally(const std::vector<AcceptedConnection>& connections,
             const std::vector<std::uint16_t>& long_ports, std::map<int, unsigned> queues);

  /// In the order in which they were seen.
  void count(const chain_event& event);

  [[nodiscard]] Share received() const;
  [[nodiscard]] Share all() const;
  /// Of the packets that every connection has, SYN and FIN each way, how many were seen: a measure
  /// of what the watch misses, for there are always a few that no tracepoint tells of.
  [[nodiscard]] Share seen() const;
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }

 private:
  enum class Phase : std::uint8_t { kHandshake, kData, kClosing };
  struct Connection {
    unsigned home = 0;
    bool is_long = false;
    Phase phase = Phase::kHandshake;
    unsigned seen = 0;  // a bit for each of SYN and FIN, received and sent
  };

  static void note_ends(Connection& connection, const chain_event& event);
  void count_received(Connection& connection, const chain_event& event);

  std::map<std::uint16_t, Connection> connections_;
  std::map<int, unsigned> queues_;
};

}  // namespace leat::testing
