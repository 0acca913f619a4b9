#!/usr/bin/env python3
"""The comparing benchmarks; `./dev bench NAME` builds and calls this. docs/benchmarks.md."""

import argparse
import importlib


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=["net", "accept", "balance", "steering"])
    parser.add_argument("--build", required=True, help="a build folder with LEAT_BENCH=ON")
    parser.add_argument("--quick", action="store_true", help="only show that everything works")
    parser.add_argument("--json", metavar="FILE", help="also write all figures there")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose title has TEXT")
    parser.add_argument("--blocks", type=int, default=5, help="times to start all servers afresh")
    parser.add_argument("--rounds", type=int, default=12, help="turns of each server in a block")
    parser.add_argument("--realtime", action="store_true",
                        help="SCHED_FIFO for all that is measured: for a machine with other work; "
                             "needs root")
    parser.add_argument("--callgrind", action="store_true",
                        help="net: also count user-space instructions a request by valgrind")
    options = parser.parse_args()
    importlib.import_module(f"{options.name}_bench").run(options)


if __name__ == "__main__":
    main()
