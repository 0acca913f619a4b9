#include "tests/smc/simulation.h"

#include <array>
#include <memory>
#include <vector>

#include "tests/smc/simulation_end.h"

namespace leat::smc::sim {
namespace {

class Schedule {
 public:
  Schedule(std::uint64_t seed, Bug put_back)
      : world_(seed, put_back),
        blocks_(std::make_unique<EndControl[]>(2)),
        ends_{End(world_, 0, memory(0), tcp_[0], tcp_[1]),
              End(world_, 1, memory(1), tcp_[1], tcp_[0])} {}

  void run() {
    prepare();
    for (std::uint64_t left = 20 + world_.below(150); left > 0; --left) step();
    world_.depth = 1;
    world_.settling = true;
    world_.countdown[0] = world_.countdown[1] = 0;
    settle();
    check_bytes();
    for (End& end : ends_) {
      if (!end.is_gone()) call(end, awake(end), [&end](Holder&) { end.shut_write(); });
    }
    settle();
    check_ends();
  }

 private:
  End::Memory memory(unsigned number) {
    const unsigned other = 1 - number;
    return {blocks_[number], blocks_[other], view(number), view(other)};
  }
  std::array<RemoteRing, kRings> view(unsigned number) {
    std::array<RemoteRing, kRings> rings;
    for (std::size_t i = 0; i < kRings; ++i) {
      // Made at the first look.
      if (rings_[number][i].empty()) rings_[number][i].resize((8U + 8U * i) << world_.below(3));
      rings[i] = {rings_[number][i].data(), static_cast<std::uint32_t>(rings_[number][i].size())};
    }
    return rings;
  }

  void prepare() {
    for (unsigned e = 0; e < 2; ++e) {
      world_.log[e] = &blocks_[e].spans;
      tcp_[e].capacity = 3 + world_.below(40);
      ends_[e].other = &ends_[1 - e];
      ends_[e].holders.resize(1 + world_.below(3));
    }
    // Some went by TCP before; some of that is still on its way.
    for (End& end : ends_) end.begin_on_tcp(world_.below(20));
    for (End& end : ends_) end.start();
    for (std::uint64_t& left : world_.countdown)
      left = world_.one_in(3) ? 1 + world_.below(1000) : 0;
    world_.interlude = [this] { step(); };
    world_.depth = 0;
  }

  Holder* awake(End& end) {
    std::vector<Holder*> able;
    for (Holder& holder : end.holders) {
      if (holder.alive && !holder.busy && holder.sleep == Holder::Sleep::kAwake) {
        able.push_back(&holder);
      }
    }
    return able.empty() ? nullptr : able[world_.below(able.size())];
  }

  template <typename Call>
  void call(End& end, Holder* holder, Call what) {
    if (holder == nullptr) return;
    const Holder* outer = end.caller;
    end.caller = holder;
    holder->busy = true;
    try {
      what(*holder);
    } catch (const Killed&) {
      end.bury(*holder);
    }
    holder->busy = false;
    end.caller = outer;
  }

  void step() {
    for (End& end : ends_) end.wake();
    End& end = ends_[world_.below(2)];
    call(end, awake(end), [this, &end](Holder& holder) { act(end, holder); });
  }

  void act(End& end, Holder& holder) {
    const std::uint64_t size = 1 + world_.below(world_.one_in(4) ? 80 : 12);
    end.answer_fold();
    switch (world_.below(16)) {
      case 0:
        return end.receive(size, true);
      case 1:
      case 2:
      case 3:
        return end.sleep(holder);
      case 4:
        return world_.one_in(10) ? end.fold_output() : end.receive(size, false);
      case 5:
        return world_.one_in(6) ? end.want_fold() : end.receive(size, false);
      case 6:
        return world_.one_in(30) ? end.shut_write() : end.send(size);
      case 7:
      case 8:
      case 9:
      case 10:
        return end.send(size);
      default:
        return end.receive(size, false);
    }
  }

  // Nobody starts anything new; who is awake reads all there is and goes to sleep.
  void settle() {
    std::uint64_t before = 0;
    do {
      before = progress();
      for (int round = 0; round < 3; ++round) {
        for (End& end : ends_) settle(end);
      }
    } while (progress() != before);
  }
  void settle(End& end) {
    for (unsigned e = 0; e < 2; ++e) world_.see_all(e);
    end.wake();
    for (std::size_t left = end.holders.size(); left > 0; --left) {
      call(end, awake(end), [&end](Holder& holder) {
        end.answer_fold();
        end.receive(1000, false);
        if (!end.saw_end) end.sleep(holder);
      });
    }
  }
  [[nodiscard]] std::uint64_t progress() const {
    std::uint64_t sum = 0;
    for (unsigned e = 0; e < 2; ++e) {
      sum += ends_[e].received + tcp_[e].written + tcp_[e].consumed + (ends_[e].saw_end ? 1 : 0);
    }
    return sum;
  }

  void check_bytes() const {
    for (unsigned e = 0; e < 2; ++e) {
      const End& from = ends_[e];
      const End& to = ends_[1 - e];
      if (to.is_gone()) continue;
      if (to.received < from.returned || to.received > from.accepted()) {
        throw Failure{"end " + std::to_string(1 - e) + " has " + std::to_string(to.received) +
                      " bytes of " + std::to_string(from.returned) +
                      (from.is_gone() ? " at least, of a dead one, " : " and sleeps, ") +
                      to.state()};
      }
    }
  }
  void check_ends() const {
    for (unsigned e = 0; e < 2; ++e) {
      const bool ended = ends_[1 - e].is_gone() || ends_[1 - e].shut;
      if (ended && !ends_[e].is_gone() && !ends_[e].saw_end) {
        throw Failure{"end " + std::to_string(e) + " does not see the end of the stream"};
      }
    }
  }

  World world_;
  std::unique_ptr<EndControl[]> blocks_;
  std::array<std::array<std::vector<char>, kRings>, 2> rings_;
  std::array<TcpQueue, 2> tcp_;
  std::array<End, 2> ends_;
};

}  // namespace

std::optional<std::string> run_schedule(std::uint64_t seed, Bug put_back) {
  Schedule schedule(seed, put_back);
  try {
    schedule.run();
  } catch (const Failure& failure) {
    return failure.what;
  }
  return {};
}

}  // namespace leat::smc::sim
