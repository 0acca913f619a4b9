// Internal: the whole chain from arrival to answer, watched while clients use it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "leat/base/cpu_set.h"

#include "chain/chain_tally.h"
#include "chain/pieces.h"
#include "veth/bpf_watch.h"
#include "veth/veth_world.h"

namespace leat::testing {

/// On the thread that made it.
class Chain {
 public:
  /// nullptr where that is not possible (root, two CPUs, BTF, tracepoints), and then `why` says
  /// what is missing.
  static std::unique_ptr<Chain> create(std::string& why);

  /// Serves a load with some of the pieces. Nothing if it failed, and then `why` says it.
  std::optional<ChainTally> run(const Pieces& pieces, const ChainLoad& load, std::string& why);

  [[nodiscard]] const CpuSet& cpus() const { return cpus_; }
  /// Events that the watch missed in all runs.
  [[nodiscard]] std::uint64_t missed() const { return watch_->missed(); }

 private:
  Chain() = default;
  bool make_world(std::string& why);
  bool set(const Pieces& pieces);
  bool watch(std::uint16_t port);

  CpuSet cpus_;
  std::unique_ptr<VethWorld> world_;
  std::vector<chain_event> events_;
  std::unique_ptr<BpfWatch> watch_;
};

}  // namespace leat::testing
