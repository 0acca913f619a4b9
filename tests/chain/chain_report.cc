// `./dev chain [SEED]`: what each piece of the chain is worth on this machine.

#include <sys/utsname.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "leat/reactor/event_loop.h"

#include "chain/chain.h"

namespace {

using namespace leat;
using testing::Chain;
using testing::ChainTally;
using testing::Pieces;

constexpr double kStays = 99;  // per cent

struct Row {
  std::string_view name;
  Pieces pieces;
};

constexpr Balance kHash = Balance::kKernelHash;
constexpr std::array kRows{
    Row{"all pieces", {}},
    Row{"loops not pinned", {.pinned = false}},
    Row{"kernel_hash", {.balance = kHash}},
    Row{"no RPS", {.rps = false}},
    Row{"no RFS", {.rfs = false}},
    Row{"no XPS", {.xps = false}},
    Row{"no RPS, no RFS", {.rps = false, .rfs = false}},
    Row{"kernel_hash, no RPS", {.balance = kHash, .rps = false}},
    Row{"kernel_hash, no RFS", {.balance = kHash, .rfs = false}},
    Row{"none of them",
        {.pinned = false, .balance = kHash, .rps = false, .rfs = false, .xps = false}},
};

constexpr std::string_view kLegend = R"(
Per cent of the steps of connections that were done on the CPU of their loop.
  arrived    packets received, before RPS and RFS (not part of ALL)
  handshake  packets received that TCP processed: SYN and what follows, up to the first request,
  data       from there on,
  closing    from the client's FIN on
  transmit   packets sent, by CPU
  queue      packets sent, by transmit queue: that of the loop's CPU
  short/long connections of one request and of many; ALL: both. Packets sent need CPU and queue.
  seen       of the SYN and FIN that each connection must have both ways, those that were seen
)";

void print_titles(std::string_view poller) {
  fmt::print("\n{:<20}", poller);
  for (const char* title : {"arrived", "handshake", "data", "closing", "accept", "recv", "transmit",
                            "queue", "short", "long", "ALL", "steps", "seen"}) {
    fmt::print("{:>10}", title);
  }
  fmt::print("\n");
}

void print(std::string_view name, const ChainTally& tally) {
  fmt::print("{:<20}", name);
  for (const auto& share :
       {tally.arrived, tally.handshake, tally.data, tally.closing, tally.accepted, tally.read,
        tally.sent, tally.sent_by, tally.of_short, tally.of_long, tally.all()}) {
    fmt::print("{:>10.2f}", share.percent());
  }
  fmt::print("{:>10}{:>10.2f}\n", tally.all().all, tally.seen().percent());
  std::fflush(stdout);
}

/// Whether every row ran and the whole chain holds.
bool run_table(Chain& chain, PollerKind poller, const testing::ChainLoad& load) {
  const std::string_view name = poller == PollerKind::kUring ? "io_uring" : "epoll";
  if (const auto loop = EventLoop::create({.poller = poller}); !loop) {
    fmt::print("\n{} is not to be had: {}\n", name, loop.error().message());
    return true;
  }
  print_titles(name);
  bool holds = true;
  for (const Row& row : kRows) {
    Pieces pieces = row.pieces;
    pieces.poller = poller;
    std::string why;
    const auto tally = chain.run(pieces, load, why);
    if (!tally) {
      fmt::print("{:<20}failed: {}\n", row.name, why);
      return false;
    }
    print(row.name, *tally);
    if (&row == kRows.data()) holds = tally->all().percent() >= kStays;
  }
  return holds;
}

}  // namespace

int main(int argc, char** argv) {
  testing::ChainLoad load;
  if (argc > 1) load.seed = std::strtoull(argv[1], nullptr, 10);
  std::string why;
  const auto chain = Chain::create(why);
  if (chain == nullptr) {
    fmt::print(stderr, "chain: {}\n", why);
    return 1;
  }
  utsname system{};
  ::uname(&system);
  fmt::print("Linux {}, {} CPUs with a loop each; {} clients; seed {}\n{}", system.release,
             chain->cpus().count(), load.threads, load.seed, kLegend);
  const bool epoll_holds = run_table(*chain, PollerKind::kEpoll, load);
  const bool uring_holds = run_table(*chain, PollerKind::kUring, load);
  if (const auto missed = chain->missed(); missed > 0) {
    fmt::print("\n{} steps are not counted: there was no room to tell of them.\n", missed);
  }
  if (epoll_holds && uring_holds) return 0;
  fmt::print(stderr, "chain: with all pieces less than {} per cent, or a row failed\n", kStays);
  return 1;
}
