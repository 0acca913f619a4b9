#!/usr/bin/env python3
"""The comparing benchmarks; `./dev bench NAME` builds and calls this. docs/benchmarks.md."""

import argparse
import importlib


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=["net", "accept", "balance", "smc", "steering"])
    parser.add_argument("--build", required=True, help="a build folder with LEAT_BENCH=ON")
    parser.add_argument("--quick", action="store_true", help="only show that everything works")
    parser.add_argument("--json", metavar="FILE", help="also write all figures there")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose title has TEXT")
    parser.add_argument("--blocks", type=int, help="times to start all servers afresh (5; smc 2)")
    parser.add_argument("--rounds", type=int, help="turns of each server in a block (12; smc 5)")
    parser.add_argument("--seconds", type=float, default=1, help="smc: the length of a turn")
    parser.add_argument("--modes", metavar="A,B", help="smc: only these, as the report names them")
    parser.add_argument("--realtime", action="store_true",
                        help="SCHED_FIFO for all that is measured: for a machine with other work; "
                             "needs root")
    parser.add_argument("--callgrind", action="store_true",
                        help="net: also count user-space instructions a request by valgrind")
    parser.add_argument("--pin", action="store_true",
                        help="smc: servers on the last CPU, clients on the first")
    options = parser.parse_args()
    options.blocks = options.blocks or (2 if options.name == "smc" else 5)
    options.rounds = options.rounds or (5 if options.name == "smc" else 12)
    importlib.import_module(f"{options.name}_bench").run(options)


if __name__ == "__main__":
    main()
