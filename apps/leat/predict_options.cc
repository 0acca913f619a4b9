#include "apps/leat/predict_options.h"

#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace leat::app {

namespace {

using steering::FlowType;
using steering::IndirectionTable;
using steering::RssHash;

/// The library's error between the option and what to do about it.
Error of_option(std::string_view option, const Error& error, std::string_view remedy) {
  return Error(error.code(), fmt::format("{}: {}: {}", option, error.context(), remedy));
}

Result<void> within_cpus(std::string_view option, const CpuSet& set, int cpus) {
  const CpuSet beyond = set - CpuSet::range(0, cpus - 1);
  if (beyond.empty()) return {};
  return Error::invalid_argument(
      fmt::format("{}: CPU {} is beyond the {} CPUs of the forecast (0 to {}): take it out, or say "
                  "--cpus",
                  option, beyond.to_list(), cpus, cpus - 1));
}

Result<void> within_queues(std::string_view option, std::size_t named, std::uint32_t queues) {
  if (named <= queues) return {};
  return Error::invalid_argument(
      fmt::format("{}: {} queues, and --queues says {}: use fewer, or a larger --queues", option,
                  named, queues));
}

}  // namespace

Result<void> check_options(PredictOptions& options) {
  if (options.cpus == 0) options.cpus = static_cast<int>(options.queues);
  if (options.readers.empty()) options.readers = CpuSet::range(0, options.cpus - 1);
  if (auto fits = within_cpus("--rps", options.rps, options.cpus); !fits) return fits;
  if (auto fits = within_cpus("--readers", options.readers, options.cpus); !fits) return fits;
  const PredictCard& card = options.card;
  if (auto fits = within_queues("--equal", card.equal, options.queues); !fits) return fits;
  if (auto fits = within_queues("--weight", card.weights.size(), options.queues); !fits) {
    return fits;
  }
  if (options.arfs && options.rfs == 0) {
    return Error::invalid_argument("--arfs: the card is told by RFS: say --rfs N too");
  }
  if (const auto table = make_table(card, options.queues); !table) return table.error();
  if (const auto hash = make_hash(card); !hash) return hash.error();
  return {};
}

Result<IndirectionTable> make_table(const PredictCard& card, std::uint32_t queues) {
  if (card.weights.empty()) {
    const std::uint32_t equal = card.equal != 0 ? card.equal : queues;
    auto table = IndirectionTable::equal(card.table_size, equal);
    if (!table)
      return of_option("--table-size", table.error(), "say a larger one, or --equal with fewer");
    return table;
  }
  auto table = IndirectionTable::weighted(card.table_size, card.weights);
  if (!table) return of_option("--weight", table.error(), "say others, or a larger --table-size");
  return table;
}

Result<RssHash> make_hash(const PredictCard& card) {
  RssHash hash(card.key);
  if (!card.fields) return hash;
  for (const FlowType type : {FlowType::kTcp4, FlowType::kUdp4, FlowType::kTcp6, FlowType::kUdp6}) {
    if (const auto set = hash.set_fields(type, *card.fields); !set) {
      return of_option("--fields", set.error(), "say sd or sdfn");
    }
  }
  return hash;
}

std::string table_text(const PredictCard& card, std::uint32_t queues) {
  if (!card.weights.empty()) return fmt::format("weight {}", fmt::join(card.weights, " "));
  return fmt::format("equal {}", card.equal != 0 ? card.equal : queues);
}

std::string fields_text(const PredictCard& card) {
  return card.fields ? card.fields->to_string() : std::string("sdfn");
}

}  // namespace leat::app
