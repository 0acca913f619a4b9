// Internal: what `leat predict` was asked to forecast.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "leat/base/cpu_set.h"
#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/steering/hash_fields.h"
#include "leat/steering/indirection_table.h"
#include "leat/steering/rss_hash.h"
#include "leat/steering/toeplitz_key.h"

namespace leat::app {

/// What the network card is set to.
struct PredictCard {
  std::size_t table_size = 128;
  std::uint32_t equal = 0;             ///< Queues of `equal N`; 0: all, or `weights`.
  std::vector<std::uint32_t> weights;  ///< Of `weight w0 w1 ...`; empty: equal.
  steering::ToeplitzKey key = steering::ToeplitzKey::verification();
  std::string key_name = "verification";       ///< Or "symmetric", or the bytes.
  std::optional<steering::HashFields> fields;  ///< Of TCP and UDP; none: as RssHash begins.
};

struct PredictOptions {
  std::string trace;  ///< "-": standard input.
  std::uint32_t queues = 0;
  PredictCard card;
  CpuSet rps;           ///< Empty: off.
  std::size_t rfs = 0;  ///< rps_sock_flow_entries; 0: off.
  bool arfs = false;
  CpuSet readers;
  int cpus = 0;  ///< check_options() makes it at least 1, and `readers` not empty.
  std::size_t backlog = 1000;
  bool flow_limit = false;
  Duration service = std::chrono::microseconds(1);  ///< Of one packet on a CPU.
  bool json = false;
  std::string svg;
};

/// Fills in what was left open and says what does not fit together, and what to do about it.
[[nodiscard]] Result<void> check_options(PredictOptions& options);

[[nodiscard]] Result<steering::IndirectionTable> make_table(const PredictCard& card,
                                                            std::uint32_t queues);
[[nodiscard]] Result<steering::RssHash> make_hash(const PredictCard& card);
/// "equal 3", "weight 6 2".
[[nodiscard]] std::string table_text(const PredictCard& card, std::uint32_t queues);
/// "sdfn", or "as the card begins".
[[nodiscard]] std::string fields_text(const PredictCard& card);

}  // namespace leat::app
