// Internal: clients whose packets arrive on all CPUs.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "leat/base/cpu_set.h"
#include "leat/base/random.h"
#include "leat/base/unique_fd.h"
#include "leat/net/inet_address.h"

#include "chain/pieces.h"

namespace leat::testing {

inline constexpr std::size_t kRequestSize = 64;
/// What a request's first byte asks for.
inline constexpr char kSmallAnswer = 's';  // 64 bytes
inline constexpr char kLargeAnswer = 'l';  // 64 KiB
inline constexpr std::size_t kLargeAnswerSize = 65'536;

/// Blocking clients on threads of their own. One thread at a time.
class ChainClients {
 public:
  /// Begins in the calling thread's network namespace; `done` runs on the last thread.
  ChainClients(const InetAddress& server, const ChainLoad& load, const CpuSet& cpus,
               std::function<void()> done);
  /// Waits for them.
  ~ChainClients();
  ChainClients(const ChainClients&) = delete;
  ChainClients& operator=(const ChainClients&) = delete;

  // After `done`.

  [[nodiscard]] const std::vector<std::uint16_t>& long_ports() const { return long_ports_; }
  /// What failed first; empty if nothing did.
  [[nodiscard]] const std::string& failure() const { return failure_; }

 private:
  void run(int thread);
  void work(Random& random);
  void move(Random& random) const;
  UniqueFd connect(Random& random);
  void ask(const UniqueFd& socket, char what, Random& random);

  const InetAddress server_;
  const ChainLoad load_;
  const std::vector<int> cpus_;
  const std::function<void()> done_;
  std::mutex mutex_;
  std::vector<std::uint16_t> long_ports_;  // guarded by mutex_
  std::string failure_;                    // guarded by mutex_
  std::atomic<int> running_;
  std::vector<std::thread> threads_;
};

}  // namespace leat::testing
