"""`run.py smc`: real programs over plain TCP, over TCP that spins, and under `leat run`, in turns."""

import collections
import contextlib
import pathlib
import sys
import time

from harness import machine, paired, print_machine, spread, write_json
from smc_modes import LEAT, QUIET, SPIN, TCP, UNIX, Ways
from smc_rows import rows

ENOUGH = 0.97  # A row whose ratio to plain TCP may lie below is named.


def counted(counters):
    """Of `leat smc stats --json`: accelerated connection ends, and bytes that went by rings."""
    return counters["shared"], counters["ring_bytes"]


class Figures:
    """What the turns of one row said, by mode."""

    def __init__(self, row):
        self.row = row
        self.values = collections.defaultdict(list)
        self.cpu_us = collections.defaultdict(list)  # Both sides, a message.
        self.server_us = collections.defaultdict(list)
        self.ends = collections.Counter()
        self.ring_share = collections.defaultdict(list)
        self.failed = {}

    def ratio(self, mode, beside):
        """How many times better, round by round."""
        ours, theirs = self.values[mode], self.values[beside]
        return paired(ours, theirs) if self.row.more else paired(theirs, ours)


class Bench:
    def __init__(self, ways, options):
        self.ways = ways
        self.seconds = 1 if options.quick else options.seconds
        self.modes = options.modes.split(",") if options.modes else None

    def turn(self, figures, server):
        row, mode = figures.row, server.mode
        accelerated = mode in (LEAT, QUIET)
        before = counted(self.ways.counters(mode)) if accelerated else None
        used = server.cpu_ns()
        turn = row.turn(server, self.seconds)
        used = server.cpu_ns() - used
        if accelerated:
            after = counted(self.ways.counters(mode))
            figures.ends[mode] += after[0] - before[0]
            if row.payload:
                share = (after[1] - before[1]) / (turn.messages * row.payload)
                figures.ring_share[mode].append(share)
                if after[0] == before[0] or share < 0.5:
                    raise RuntimeError(f"not by shared memory: {after[0] - before[0]} ends accelerated, "
                                       f"{share:.1%} of the bytes in rings")
        figures.values[mode].append(turn.value)
        figures.cpu_us[mode].append((used + turn.client_ns) / turn.messages / 1000)
        figures.server_us[mode].append(used / turn.messages / 1000)

    def block(self, figures, block, rounds):
        """New servers, all at once, and turns in changing order; a mode that failed is left out."""
        row = figures.row
        with contextlib.ExitStack() as stack:
            servers = []
            for mode in self.modes or row.modes:
                if mode in figures.failed or mode not in row.modes:
                    continue
                try:
                    server = row.start(mode)
                    stack.callback(server.stop)
                    servers.append(server)
                except (RuntimeError, OSError) as error:
                    figures.failed[mode] = str(error)
            for number in range(rounds):
                shift = (block + number) % max(1, len(servers))
                for server in servers[shift:] + servers[:shift]:
                    if server.mode in figures.failed:
                        continue
                    try:
                        self.turn(figures, server)
                    except (RuntimeError, AttributeError, ValueError, IndexError, KeyError) as error:
                        figures.failed[server.mode] = f"{type(error).__name__}: {error}"


def judged(figures):
    """The figures of a row as they are kept and printed."""
    row = figures.row
    result = {"unit": row.unit, "more_is_better": row.more, "per": row.per, "failed": figures.failed,
              "modes": {}, "ratios": {}, "goals": [], "kernel": row.kernel}
    for mode in row.modes:
        if mode not in figures.failed and figures.values[mode]:
            result["modes"][mode] = {
                "value": spread(figures.values[mode]), "cpu_us": spread(figures.cpu_us[mode]),
                "server_us": spread(figures.server_us[mode]),
                "ends": figures.ends[mode], "ring_share": spread(figures.ring_share[mode])}
    pairs = [(mode, TCP) for mode in row.modes if mode != TCP]
    pairs += [(LEAT, SPIN)] + [(mode, UNIX) for mode in (LEAT, QUIET) if UNIX in row.modes]
    for mode, beside in pairs:
        if mode in result["modes"] and beside in result["modes"]:
            result["ratios"][f"{mode} / {beside}"] = figures.ratio(mode, beside)
    goals = list(row.goals) + ([(LEAT, UNIX, 1)] if UNIX in row.modes else [])
    for mode, beside, least in goals:
        found = result["ratios"].get(f"{mode} / {beside}")
        result["goals"].append({"mode": mode, "beside": beside, "least": least,
                                "met": bool(found) and found["median"] >= least})
    return result


def range_of(ratio):
    return f"{ratio['median']:.2f} [{ratio['low']:.2f}-{ratio['high']:.2f}]"


def print_row(title, found):
    kernel = f"   (the kernel's SMC-D over its TCP: {found['kernel']})" if found["kernel"] else ""
    print(f"\n{title}{kernel}")
    print(f"  {'':<15}{found['unit']:>11}  {'times plain TCP':<21}{'CPU us a ' + found['per']:<19}in rings")
    for mode, figure in found["modes"].items():
        ratio = found["ratios"].get(f"{mode} / {TCP}")
        cpu = f"{figure['cpu_us']['median']:.2f} (server {figure['server_us']['median']:.2f})"
        share = figure["ring_share"]
        rings = (f"{share['median']:.0%} of the bytes" if share else
                 f"{figure['ends']} ends" if mode in (LEAT, QUIET) else "")
        print(f"  {mode:<15}{figure['value']['median']:>11,.2f}  {range_of(ratio) if ratio else '':<21}"
              f"{cpu:<24}{rings}")
    for name in (f"{LEAT} / {SPIN}", f"{LEAT} / {UNIX}", f"{QUIET} / {UNIX}"):
        if name in found["ratios"]:
            print(f"    {name}: {range_of(found['ratios'][name])} times")
    for goal in found["goals"]:
        print(f"    goal, {goal['mode']} at least {goal['least']} times {goal['beside']}: "
              f"{'met' if goal['met'] else 'NOT MET'}")
    for mode, why in found["failed"].items():
        print(f"  {mode}: FAILED, {why}")


def sum_up(results):
    goals = [goal for found in results.values() for goal in found["goals"]]
    print(f"\nGoals met: {sum(goal['met'] for goal in goals)} of {len(goals)}.")
    below = [(title, mode, found["ratios"][f"{mode} / {TCP}"]) for title, found in results.items()
             for mode in (LEAT, QUIET) if f"{mode} / {TCP}" in found["ratios"]
             and found["ratios"][f"{mode} / {TCP}"]["low"] < ENOUGH]
    print(f"Rows whose 95 % range reaches below {ENOUGH} of plain TCP: {len(below) or 'none'}")
    for title, mode, ratio in below:
        print(f"  {title}, {mode}: {range_of(ratio)}")
    return sum(bool(found["failed"]) for found in results.values())


def run(options):
    facts = machine()
    print_machine(facts)
    for program in ("bench_spin_tcp", "bench_request_client"):
        if not any(pathlib.Path(options.build, "bench", "smc").glob(f"*{program}*")):
            sys.exit(f"{program} is missing: build {options.build} with LEAT_BENCH=ON")
    blocks, rounds = (1, 1) if options.quick else (options.blocks, options.rounds)
    began = time.monotonic()
    ways = Ways(options.build, options.pin)
    result = {"machine": facts, "rounds": blocks * rounds, "rows": {}}
    try:
        wanted, absent = rows(ways, options.only)
        for title, names in absent.items():
            print(f"Without '{title}': {', '.join(names)} not found.")
        print(f"{blocks} x {rounds} rounds of turns of {options.seconds} s; ratios are medians of those of the same "
              "round, with the range that holds the true median in 95 of 100 cases."
              + (" Servers and clients are pinned to a CPU each." if options.pin else ""))
        bench = Bench(ways, options)
        for row in wanted:
            figures = Figures(row)
            for block in range(blocks):
                print(f"block {block + 1} of {blocks}: {row.title}", file=sys.stderr)
                bench.block(figures, block, rounds)
            result["rows"][row.title] = judged(figures)
            print_row(row.title, result["rows"][row.title])
    finally:
        ways.end()
    failed = sum_up(result["rows"])
    if options.quick:
        print("A quick run only shows that everything runs: it gives no verdict.")
    print(f"{time.monotonic() - began:.0f} s.")
    write_json(options.json, result)
    if failed:
        sys.exit(f"{failed} rows failed.")
