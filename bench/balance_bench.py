"""`run.py balance`: how even, how local and how fast each policy of listener balance is."""

import collections
import json
import pathlib
import subprocess
import sys

from harness import machine, print_machine, spread, write_json

FIGURES = {"imbalance": "busiest loop / mean", "local": "on its CPU", "p50": "p50 us",
           "p99": "p99 us", "p999": "p99.9 us", "moved": "moved"}


def text_of(figure, found):
    digits = {"imbalance": 2, "local": 2, "moved": 0}.get(figure, 0)
    return f"{found['median']:.{digits}f} [{found['min']:.{digits}f}-{found['max']:.{digits}f}]"


def run(options):
    facts = machine()
    print_machine(facts)
    program = pathlib.Path(options.build, "bench", "balance", "bench_balance")
    if not program.exists():
        sys.exit(f"{program} is missing: build {options.build} with LEAT_BENCH=ON")
    rounds = 1 if options.quick else options.rounds
    command = [program] + (["--quick"] if options.quick else [])
    rows = collections.defaultdict(lambda: collections.defaultdict(list))
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        for line in map(json.loads, done.stdout.splitlines()):
            for figure in FIGURES:
                rows[line["load"], line["policy"]][figure].append(line[figure])
    result = {"machine": facts, "rounds": rounds, "rows": {}}
    print(f"\n{rounds} rounds; medians [least-most]. Clients, kernel and server share the CPUs.")
    load = None
    for (of_load, policy), figures in rows.items():
        if of_load != load:
            load = of_load
            print(f"\n{load:<20}" + "".join(f"{title:>22}" for title in FIGURES.values()))
        found = {figure: spread(values) for figure, values in figures.items()}
        result["rows"][f"{load}: {policy}"] = found
        print(f"{policy:<20}" + "".join(f"{text_of(f, found[f]):>22}" for f in FIGURES))
    if options.quick:
        print("\nA quick run only shows that everything runs: it gives no verdict.")
    elif options.json:
        write_json(options.json, result)
