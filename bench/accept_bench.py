"""`run.py accept`: four ways from a listening socket to the loops, side by side."""

import pathlib
import sys
import time

from harness import (Place, Server, Turns, machine, noise_of, paired, print_machine, run_client,
                     spread, write_json)

MODELS = {
    "single": "single acceptor",
    "exclusive": "shared, EPOLLEXCLUSIVE",
    "herd": "shared, without it",
    "per_loop": "listener per loop",
}
CONTROL = "per_loop again"
TITLES = {**MODELS, CONTROL: "listener per loop (2)"}
# All loops asleep when a connection comes, and all of them busy.
LOADS = {"one at a time": 1, "64 at a time": 64}


class Case:
    """One number of loops under one load: the models in turns."""

    def __init__(self, bench, loops, load):
        self.bench = bench
        self.loops = loops
        self.connections = LOADS[load]
        self.turns = Turns()
        self.shares = {name: [0] * loops for name in TITLES}
        self.wake_ups = {name: [0, 0] for name in TITLES}  # all, and those that found nothing

    def block(self, number, rounds, turn):
        names = list(TITLES)
        names = names[number % len(names):] + names[:number % len(names)]
        servers = []
        try:
            for name in names:
                model = "per_loop" if name == CONTROL else name
                servers.append(Server(name, [self.bench.server, model, self.loops],
                                      self.bench.place, set(self.bench.place.cpus)))
            targets = [word for server in servers for word in server.target]
            lines = run_client(self.bench.client, self.bench.place,
                               ["churn", "--connections", self.connections, "--rounds", rounds,
                                "--turn", turn] + targets, set(self.bench.place.cpus))
            self.turns.add(names, lines)
            for server in servers:
                self.count(server)
        finally:
            for server in servers:
                server.stop()

    def count(self, server):
        told = server.ask("counters")
        for index, loop in enumerate(told["loops"]):
            self.shares[server.name][index] += loop["accepted"]
        for listener in told["loops"] + [told.get("acceptor", {"wake_ups": 0, "empty": 0})]:
            self.wake_ups[server.name][0] += listener["wake_ups"]
            self.wake_ups[server.name][1] += listener["empty"]

    def result(self):
        measure = self.turns.first_measure()
        cost = {name: self.turns.per_request(name, measure) for name in TITLES}
        rate = {name: self.turns.rates(name) for name in TITLES}
        found = {"measure": measure, "models": {}}
        for name in TITLES:
            share = self.shares[name]
            mean = sum(share) / len(share)
            wake_ups, empty = self.wake_ups[name]
            found["models"][name] = {
                "cost": spread(cost[name]), "rate": spread(rate[name]),
                "cost_to_per_loop": paired(cost[name], cost["per_loop"]),
                "rate_to_per_loop": paired(rate[name], rate["per_loop"]),
                "spread_max": max(share) / mean, "spread_min": min(share) / mean,
                "wake_ups": wake_ups / sum(share), "spurious": empty / sum(share),
                "waits": spread(self.turns.per_request(name, "waits")),
                "preemptions": spread(self.turns.per_request(name, "preemptions")),
                "cache_misses": spread(self.turns.per_request(name, "cache_misses")),
                "p99_us": self.turns.latency(name, 1) / 1e3, "failed": self.turns.failed[name],
            }
        found["cost_noise"] = noise_of(found["models"][CONTROL]["cost_to_per_loop"])
        found["rate_noise"] = noise_of(found["models"][CONTROL]["rate_to_per_loop"])
        return found


class Bench:
    def __init__(self, options):
        folder = pathlib.Path(options.build, "bench")
        self.server = folder / "accept" / "bench_accept"
        self.client = folder / "net" / "bench_client"
        for program in (self.server, self.client):
            if not program.exists():
                sys.exit(f"{program} is missing: build {options.build} with LEAT_BENCH=ON")
        self.place = Place(options.realtime)


def print_case(title, found):
    cycles = found["measure"] == "cycles"
    print(f"\n{title}: noise of cost {found['cost_noise']:.1%}, of rate {found['rate_noise']:.1%}")
    print(f"  {'':<24}{'cycles' if cycles else 'CPU us':>8}{'to per loop':>13}{'conns/s':>10}"
          f"{'to per loop':>13}{'most':>7}{'least':>7}{'wake-ups':>10}{'spurious':>10}{'waits':>7}"
          f"{'preempt':>9}{'cache misses':>18}{'p99 us':>8}")
    for name, m in found["models"].items():
        misses = f"{m['cache_misses']['median']:,.0f}" if m["cache_misses"] else "not counted here"
        print(f"  {TITLES[name]:<24}{m['cost']['median'] / (1 if cycles else 1000):>8.1f}"
              f"{m['cost_to_per_loop']['median']:>13.3f}{m['rate']['median']:>10,.0f}"
              f"{m['rate_to_per_loop']['median']:>13.3f}{m['spread_max']:>7.2f}"
              f"{m['spread_min']:>7.2f}{m['wake_ups']:>10.3f}{m['spurious']:>10.3f}"
              f"{m['waits']['median']:>7.2f}{m['preemptions']['median']:>9.3f}{misses:>18}"
              f"{m['p99_us']:>8,.0f}" + (f"  {m['failed']} FAILED" if m["failed"] else ""))


def run(options):
    facts = machine()
    print_machine(facts)
    bench = Bench(options)
    blocks, rounds, turn = ((1, 5, 0.03) if options.quick
                            else (options.blocks, options.rounds, 0.1))
    began = time.monotonic()
    print(f"Every connection: connect, 64 B there and back, RST. {blocks} x {rounds} rounds of turns. "
          "Loop i runs on CPU i modulo their number; the client is not pinned.\n"
          "Figures are per connection; most and least: a loop's share beside the mean. Wake-ups: a "
          "listener was found ready; spurious: and had nothing.")
    result = {"machine": facts, "rounds": blocks * rounds, "cases": {}}
    for loops in (2, 4):
        for load in LOADS:
            title = f"{loops} loops, {load}"
            if options.only not in title:
                continue
            case = Case(bench, loops, load)
            for block in range(blocks):
                print(f"block {block + 1} of {blocks}: {title}", file=sys.stderr)
                case.block(block, rounds, turn)
            result["cases"][title] = case.result()
            print_case(title, result["cases"][title])
    if options.quick:
        print("\nA quick run only shows that everything runs: it gives no verdict.")
    else:
        print(f"\n{time.monotonic() - began:.0f} s.")
    write_json(options.json, result)
