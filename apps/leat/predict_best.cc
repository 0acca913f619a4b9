#include "apps/leat/predict_best.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <utility>

#include "leat/base/random.h"
#include "leat/steering/nearest_queue_map.h"
#include "leat/steering/rps_map.h"

#include "apps/leat/predict_model.h"

namespace leat::app {

namespace {

using steering::HashFields;
using steering::IndirectionTable;
using steering::RpsMap;
using steering::RssHash;
using steering::ToeplitzKey;

/// Bounds the time that the search takes.
constexpr std::size_t kMostFlows = 65'536;
constexpr int kRandomKeys = 6;
/// Imbalances that differ by less are the same to whoever reads them.
constexpr double kSame = 0.005;

/// A flow, as far as the search needs it.
struct Load {
  std::uint64_t packets = 0;
};
struct Hashed {
  std::uint32_t card;
  std::uint32_t steering;
};

std::vector<PredictFlow> heaviest_flows(const std::vector<PredictFlow>& flows) {
  std::vector<PredictFlow> list = flows;
  if (list.size() <= kMostFlows) return list;
  const auto heavier = [](const PredictFlow& a, const PredictFlow& b) {
    return a.packets > b.packets;
  };
  std::nth_element(list.begin(), list.begin() + kMostFlows, list.end(), heavier);
  list.resize(kMostFlows);
  return list;
}

std::uint64_t packets_of(const std::vector<PredictFlow>& flows) {
  return total(flows, &PredictFlow::packets);
}

class Search {
 public:
  Search(const PredictOptions& options, std::vector<PredictFlow> flows)
      : options_(options),
        flows_(std::move(flows)),
        hashes_(flows_.size()),
        nearest_(nearest_queues(options)) {}

  Result<PredictBest> run() {
    PredictBest found;
    for (const PredictCard& hashing : hashings()) {
      if (auto hashed = hash_flows(hashing); !hashed) return std::move(hashed).error();
      for (const PredictCard& card : tables(hashing)) {
        const Result<IndirectionTable> table = make_table(card, options_.queues);
        if (!table) return table.error();
        for (const CpuSet& mask : masks()) {
          Result<PredictTrial> trial = attempt(card, *table, mask);
          if (!trial) return std::move(trial).error();
          if (found.tried++ == 0) found.as_asked = found.best = found.same_key = *trial;
          const bool same_key = card.key == options_.card.key;
          if (same_key && is_better(*trial, found.same_key)) found.same_key = *trial;
          if (is_better(*trial, found.best)) found.best = *std::move(trial);
        }
      }
    }
    return found;
  }

 private:
  /// The card as asked for and with other keys and fields, its table as it is.
  [[nodiscard]] std::vector<PredictCard> hashings() const {
    std::vector<PredictCard> list;
    for (const PredictCard& with_key : keys()) {
      list.push_back(with_key);
      for (const HashFields fields : {HashFields::addresses_and_ports(), HashFields::addresses()}) {
        PredictCard other = with_key;
        other.fields = fields;
        if (fields_text(other) != fields_text(options_.card)) list.push_back(std::move(other));
      }
    }
    return list;
  }

  [[nodiscard]] std::vector<PredictCard> keys() const {
    std::vector<PredictCard> list{options_.card};
    const auto add = [&](const ToeplitzKey& key, std::string name) {
      if (key == options_.card.key) return;
      PredictCard other = options_.card;
      other.key = key;
      other.key_name = std::move(name);
      list.push_back(std::move(other));
    };
    add(ToeplitzKey::verification(), "verification");
    add(ToeplitzKey::symmetric(), "symmetric");
    Random random(1);
    for (int i = 0; i < kRandomKeys; ++i) {
      std::vector<std::uint8_t> bytes(ToeplitzKey::kMinBytes);
      for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
      const ToeplitzKey key = ToeplitzKey::from_bytes(bytes).value();
      add(key, key.to_string());
    }
    return list;
  }

  [[nodiscard]] std::vector<PredictCard> tables(const PredictCard& hashing) const {
    std::vector<PredictCard> list{hashing};
    const bool all_alike =
        hashing.weights.empty() && (hashing.equal == 0 || hashing.equal == options_.queues);
    // A table too small for all queues has no `equal` for them.
    if (all_alike || options_.queues > hashing.table_size) return list;
    PredictCard equal = hashing;
    equal.weights.clear();
    equal.equal = options_.queues;
    list.push_back(std::move(equal));
    return list;
  }

  [[nodiscard]] std::vector<CpuSet> masks() const {
    std::vector<CpuSet> list{options_.rps};
    for (const CpuSet& mask : {CpuSet(), CpuSet::range(0, options_.cpus - 1)}) {
      if (mask != options_.rps) list.push_back(mask);
    }
    return list;
  }

  Result<void> hash_flows(const PredictCard& card) {
    const Result<RssHash> hash = make_hash(card);
    if (!hash) return hash.error();
    for (std::size_t i = 0; i < flows_.size(); ++i) {
      const wire::FlowKey& key = flows_[i].key;
      const std::uint32_t of_card = (*hash)(key);
      const bool ports = key.has_ports && hash->fields(steering::flow_type(key)).has_ports();
      hashes_[i] = {of_card, ports ? of_card : flows_[i].software_hash};
    }
    return {};
  }

  Result<PredictTrial> attempt(const PredictCard& card, const IndirectionTable& table,
                               const CpuSet& mask) {
    const Result<RpsMap> map = RpsMap::create(mask, CpuSet::range(0, options_.cpus - 1),  //
                                              options_.cpus);
    if (!map) return map.error();
    std::vector<Load> queues(options_.queues);
    std::vector<Load> cpus(static_cast<std::size_t>(options_.cpus));
    for (std::size_t i = 0; i < flows_.size(); ++i) {
      std::size_t queue = table.queue(hashes_[i].card);
      // What filters bring there once a flow has been read.
      if (options_.arfs) queue = nearest_.queue_of(flows_[i].reader);
      auto cpu = static_cast<std::size_t>(interrupt_cpu(queue, options_.cpus));
      if (options_.rfs != 0) {
        cpu = static_cast<std::size_t>(flows_[i].reader);
      } else if (!map->empty()) {
        cpu = static_cast<std::size_t>(map->cpu_for(hashes_[i].steering));
      }
      queues[queue].packets += flows_[i].packets;
      cpus[cpu].packets += flows_[i].packets;
    }
    return PredictTrial{.card = card,
                        .rps = mask,
                        .cpu_imbalance = imbalance(cpus),
                        .queue_imbalance = imbalance(queues)};
  }

  static bool is_better(const PredictTrial& a, const PredictTrial& b) {
    if (std::abs(a.cpu_imbalance - b.cpu_imbalance) > kSame) {
      return a.cpu_imbalance < b.cpu_imbalance;
    }
    return a.queue_imbalance < b.queue_imbalance - kSame;
  }

  const PredictOptions& options_;
  std::vector<PredictFlow> flows_;
  std::vector<Hashed> hashes_;
  const steering::NearestQueueMap nearest_;
};

}  // namespace

Result<PredictBest> find_best(const PredictOptions& options,
                              const std::vector<PredictFlow>& flows) {
  std::vector<PredictFlow> chosen = heaviest_flows(flows);
  const auto packets = static_cast<double>(packets_of(chosen));
  const auto most = std::ranges::max_element(flows, {}, &PredictFlow::packets)->packets;
  const std::size_t count = chosen.size();
  Result<PredictBest> best = Search(options, std::move(chosen)).run();
  if (!best) return best;
  best->flows = count;
  best->share = packets / static_cast<double>(packets_of(flows));
  best->bound = std::max(1.0, static_cast<double>(most) * options.cpus / packets);
  return best;
}

}  // namespace leat::app
