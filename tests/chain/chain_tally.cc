#include "chain/chain_tally.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace leat::testing {

Share& Share::operator+=(const Share& other) {
  at_home += other.at_home;
  all += other.all;
  return *this;
}

double Share::percent() const {
  return all == 0 ? 100 : 100.0 * static_cast<double>(at_home) / static_cast<double>(all);
}

ChainTally::ChainTally(const std::vector<AcceptedConnection>& connections,
                       const std::vector<std::uint16_t>& long_ports, std::map<int, unsigned> queues)
    : queues_(std::move(queues)) {
  for (const AcceptedConnection& each : connections) {
    const bool is_long = std::ranges::find(long_ports, each.client_port) != long_ports.end();
    connections_[each.client_port] = {.home = static_cast<unsigned>(each.home), .is_long = is_long};
    const bool home = each.accept_cpu == each.home;
    accepted.count(home);
    (is_long ? of_long : of_short).count(home);
  }
}

void ChainTally::count(const chain_event& event) {
  const auto found = connections_.find(event.client_port);
  if (found == connections_.end()) {
    ++strangers;
    return;
  }
  Connection& connection = found->second;
  note_ends(connection, event);
  bool home = event.cpu == connection.home;
  switch (event.kind) {
    case CHAIN_RECEIVED:
      count_received(connection, event);
      break;
    case CHAIN_READ:
      read.count(home);
      break;
    case CHAIN_SENT: {
      const bool by = event.queue == queues_[static_cast<int>(connection.home)];
      sent.count(home);
      sent_by.count(by);
      home = home && by;
      break;
    }
    default:
      return;
  }
  (connection.is_long ? of_long : of_short).count(home);
}

void ChainTally::note_ends(Connection& connection, const chain_event& event) {
  const unsigned ends = event.flags & (CHAIN_SYN | CHAIN_FIN);
  if (event.kind == CHAIN_RECEIVED) connection.seen |= ends;
  if (event.kind == CHAIN_SENT) connection.seen |= ends << 8;
}

void ChainTally::count_received(Connection& connection, const chain_event& event) {
  const bool home = event.cpu == connection.home;
  if (event.arrival_cpu != CHAIN_NO_CPU) arrived.count(event.arrival_cpu == connection.home);
  if (event.payload > 0) connection.phase = std::max(connection.phase, Phase::kData);
  if ((event.flags & CHAIN_FIN) != 0) connection.phase = Phase::kClosing;
  switch (connection.phase) {
    case Phase::kHandshake:
      return handshake.count(home);
    case Phase::kData:
      return data.count(home);
    case Phase::kClosing:
      return closing.count(home);
  }
}

Share ChainTally::received() const {
  Share sum = handshake;
  sum += data;
  sum += closing;
  return sum;
}

Share ChainTally::all() const {
  Share sum = of_short;
  sum += of_long;
  return sum;
}

Share ChainTally::seen() const {
  Share sum;
  for (const auto& [port, connection] : connections_) {
    sum.at_home += static_cast<unsigned>(std::popcount(connection.seen));
    sum.all += 4;
  }
  return sum;
}

}  // namespace leat::testing
