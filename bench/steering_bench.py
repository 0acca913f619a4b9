"""`run.py steering`: what hashing and steering a packet cost, beside DPDK's hashes."""

import collections
import pathlib
import subprocess
import json
import sys
import time

from harness import Place, machine, noise_of, paired, print_machine, spread, write_json

LEAT = "Leat"
CONTROL = "Leat again"


def run_block(program, place, rounds, turn_ms, first, text):
    """One process: lines of row, name and nanoseconds an operation, in rounds."""
    done = subprocess.run([program, str(rounds), str(turn_ms), str(first), text], check=True,
                          stdout=subprocess.PIPE, text=True,
                          preexec_fn=place.starter(place.server_cpus()))
    return [json.loads(line) for line in done.stdout.splitlines()]


def result_of(contenders):
    """The figures of a row: of each contender, and of Leat divided by it, round by round."""
    found = {name: {"ns": spread(turns), "leat_to_it": paired(contenders[LEAT], turns)}
             for name, turns in contenders.items() if name != LEAT}
    return {"leat_ns": spread(contenders[LEAT]), "others": found,
            "noise": noise_of(found[CONTROL]["leat_to_it"])}


def print_row(title, found):
    print(f"\n{title}: Leat {found['leat_ns']['median']:.2f} ns, noise {found['noise']:.1%}")
    for name, other in found["others"].items():
        ratio = other["leat_to_it"]
        verdict = "  BEHIND" if (name.startswith("DPDK") and ratio["low"] > 1 + found["noise"]) else ""
        print(f"  {name:<18}{other['ns']['median']:>9.2f} ns   Leat beside it "
              f"{ratio['median']:.3f} [{ratio['low']:.3f}-{ratio['high']:.3f}]{verdict}")


def run(options):
    facts = machine()
    print_machine(facts)
    program = pathlib.Path(options.build, "bench", "steering", "bench_steering")
    if not program.exists():
        sys.exit(f"{program} is missing: build {options.build} with LEAT_BENCH=ON")
    place = Place(options.realtime)
    blocks, rounds, turn_ms = (1, 3, 0.5) if options.quick else (options.blocks, options.rounds, 4)
    print(f"{blocks} x {rounds} rounds of turns of {turn_ms} ms of CPU time, pinned to a core; medians, "
          "and of the paired ratios the range that holds the true median in 95 of 100 cases.")
    began = time.monotonic()
    rows = collections.defaultdict(lambda: collections.defaultdict(list))
    for block in range(blocks):
        print(f"block {block + 1} of {blocks}", file=sys.stderr)
        for line in run_block(program, place, rounds, turn_ms, block, options.only):
            rows[line["row"]][line["name"]].append(line["ns"])
    result = {"machine": facts, "rounds": blocks * rounds, "rows": {}}
    for title, contenders in rows.items():
        result["rows"][title] = result_of(contenders)
        print_row(title, result["rows"][title])
    if options.quick:
        print("\nA quick run only shows that everything runs: it gives no verdict.")
    else:
        print(f"\n{time.monotonic() - began:.0f} s.")
    write_json(options.json, result)
