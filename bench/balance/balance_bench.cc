// One line of JSON for each policy under each load: how even the work was, how much of it was done
// on the CPU that received it, and how long requests took.

#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "leat/base/cpu_set.h"
#include "leat/net/loop_rebalancer.h"
#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/event_loop_thread.h"

#include "clients.h"

namespace {

using namespace std::chrono_literals;
using namespace leat;
using bench::kHeavy;
using bench::Load;

/// Of one loop; of one connection only that loop's thread writes.
struct alignas(64) Work {
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> local{0};
  std::atomic<std::int64_t> busy{0};  // ns
};

class Bench {
 public:
  Bench(EventLoop& base, Balance balance, std::size_t loops, bool rebalance)
      : server_(base, {.loops = loops,
                       .cpus = CpuSet::available().value(),
                       .balance = balance,
                       .force_balance = true}),
        work_(loops),
        rebalancer_(base, server_, {.interval = 20ms, .cost = [](const TcpConnection& connection) {
                                      return connection.context_as<std::uint64_t>();
                                    }}) {
    server_.on_connection(
        [](const TcpConnectionPtr& connection) { connection->set_context(std::uint64_t{0}); });
    server_.on_message([this](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
      serve(*connection, input);
    });
    server_.listen(InetAddress::loopback(0)).value();
    server_.start().value();
    if (rebalance) rebalancer_.start().value();
  }

  [[nodiscard]] InetAddress address() const { return server_.addresses().front(); }

  void print(std::string_view policy, const Load& load, const Histogram& latencies) const {
    double requests = 0;
    double local = 0;
    double busy = 0;
    double busiest = 0;
    for (const Work& work : work_) {
      requests += static_cast<double>(work.requests.load());
      local += static_cast<double>(work.local.load());
      busy += static_cast<double>(work.busy.load());
      busiest = std::max(busiest, static_cast<double>(work.busy.load()));
    }
    std::uint64_t moved = 0;
    for (const NetCounters* counters : server_.counters()) {
      moved += counters->handed_over.load() + counters->moved_in.load();
    }
    const auto us = [&](double percent) {
      return static_cast<double>(latencies.percentile(percent)) / 1000;
    };
    fmt::print(
        R"({{"policy": "{}", "load": "{}", "imbalance": {:.3f}, "local": {:.3f}, "moved": {}, )"
        R"("p50": {:.1f}, "p99": {:.1f}, "p999": {:.1f}}})"
        "\n",
        policy, load.name, busiest * static_cast<double>(work_.size()) / busy, local / requests,
        moved, us(50), us(99), us(99.9));
  }

 private:
  std::size_t index_of(const EventLoop& loop) const {
    const auto loops = server_.loops();
    return static_cast<std::size_t>(std::ranges::find(loops, &loop) - loops.begin());
  }

  void serve(TcpConnection& connection, ReceiveBuffer& input) {
    Work& work = work_[index_of(connection.loop())];
    int cpu = -1;
    socklen_t size = sizeof cpu;
    ::getsockopt(connection.fd(), SOL_SOCKET, 49 /* SO_INCOMING_CPU */, &cpu, &size);
    if (cpu == ::sched_getcpu()) work.local.fetch_add(1, std::memory_order_relaxed);
    for (const char what : input.view()) {
      const Duration cost = what == kHeavy ? 100us : 5us;
      const MonotonicTime end = monotonic_now() + cost;
      while (monotonic_now() < end) {
      }
      work.busy.fetch_add(cost.count(), std::memory_order_relaxed);
      work.requests.fetch_add(1, std::memory_order_relaxed);
      connection.context_as<std::uint64_t>() += static_cast<std::uint64_t>(cost.count());
    }
    connection.send(input.view());
    input.consume_all();
  }

  TcpServer server_;
  std::vector<Work> work_;
  LoopRebalancer rebalancer_;
};

struct Policy {
  std::string_view name;
  Balance balance;
  bool rebalance;
};

}  // namespace

int main(int argc, char** argv) {
  const bool quick = argc > 1 && std::string_view(argv[1]) == "--quick";
  const int scale = quick ? 1 : 10;
  constexpr std::array kPolicies{
      Policy{"round_robin", Balance::kRoundRobin, false},
      Policy{"kernel_hash", Balance::kKernelHash, false},
      Policy{"incoming_cpu", Balance::kIncomingCpu, false},
      Policy{"least_connections", Balance::kLeastConnections, false},
      Policy{"consistent_hash", Balance::kConsistentHash, false},
      Policy{"standby", Balance::kStandby, false},
      Policy{"kernel_hash, moved", Balance::kKernelHash, true},
  };
  const std::array loads{
      Load{"short", 4, 0, 200 * scale, 0},
      Load{"few long", 4, 2, 400 * scale, 0},
      Load{"skewed", 4, 8, 300 * scale, 8},
  };
  EventLoopThread thread;
  EventLoop* base = thread.start().value();
  const std::size_t loops = CpuSet::available().value().count();
  for (const Load& load : loads) {
    for (const Policy& policy : kPolicies) {
      std::unique_ptr<Bench> bench;
      std::atomic<bool> ready{false};
      base->queue_in_loop([&] {
        bench = std::make_unique<Bench>(*base, policy.balance, loops, policy.rebalance);
        ready = true;
        ready.notify_one();
      });
      ready.wait(false);
      const Histogram latencies = bench::run_load(bench->address(), load);
      bench->print(policy.name, load, latencies);
      std::atomic<bool> gone{false};
      base->queue_in_loop([&] {
        bench.reset();
        gone = true;
        gone.notify_one();
      });
      gone.wait(false);
    }
  }
  return 0;
}
