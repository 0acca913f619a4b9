"""`run.py net`: Leat's servers beside those of its peers, in turns of one run."""

import contextlib
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

from harness import (Place, Server, Turns, machine, print_machine, run_client, write_json)
from net_report import judge, print_memory, print_row, sum_up
from net_suites import CONTROL, URING, Program, suites

IDLE = {"echo": [], "HTTP": ["--depth", 1]}  # client's arguments by suite
# Its workers, and so its connections, are made at the start.
NOT_IDLE = ("beast",)
# valgrind does not carry what io_uring does by itself.
NOT_COUNTED = (CONTROL, URING, "bare uring")


class Bench:
    def __init__(self, options):
        self.client = pathlib.Path(options.build, "bench", "net", "bench_client")
        if not self.client.exists():
            sys.exit(f"{self.client} is missing: build {options.build} with LEAT_BENCH=ON")
        self.suites = suites(options.build, options.quick, options.only)
        for suite in self.suites:
            for name, why in suite.absent.items():
                print(f"{suite.name} without {name}: {why}.")
        self.place = Place(options.realtime)
        self.versions = {}

    @contextlib.contextmanager
    def servers(self, suite, names):
        running = []
        try:
            for name in names:
                running.append(suite.servers[name].start(name, self.place))
                self.versions[f"{suite.name} {name}"] = running[-1].version
            yield running
        finally:
            for server in running:
                server.stop()

    def measure(self, blocks, rounds):
        """Each block has fresh processes, for how a process came to lie in memory is luck too."""
        results = {row.title: Turns() for suite in self.suites for row in suite.rows}
        for block in range(blocks):
            for suite in (s for s in self.suites if s.rows):
                names = list(suite.servers)
                # Another order each time: whoever is first is not always the same one.
                start = block % len(names)
                turned = names[start:] + names[:start]
                with self.servers(suite, turned) as servers:
                    targets = [word for server in servers for word in server.target]
                    for row in suite.rows:
                        print(f"block {block + 1} of {blocks}: {row.title}", file=sys.stderr)
                        lines = run_client(self.client, self.place,
                                           [row.mode, "--rounds", rounds, "--turn", row.turn]
                                           + row.arguments + targets)
                        results[row.title].add(turned, lines)
        return results

    def idle(self, suite, connections):
        """User memory of idle connections, each used once, in bytes a connection."""
        found = {}
        extra = IDLE[suite.name]
        for name in (n for n in suite.servers if n != CONTROL and n not in NOT_IDLE):
            with self.servers(suite, [name]) as (server,):
                run_client(self.client, self.place,
                           ["http" if extra else "echo", "--turn", 0.02] + server.target)
                before, kernel_before = private_memory(server.pid), kernel_memory()
                holder = subprocess.Popen(
                    [str(a) for a in [self.client, "idle", "--connections", connections,
                                      *extra, *server.target]],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                    preexec_fn=self.place.starter(self.place.client_cpus()))
                if not holder.stdout.readline():
                    sys.exit(f"{name}: the idle connections could not be opened")
                used = private_memory(server.pid) - before
                kernel = kernel_memory() - kernel_before
                holder.communicate("")
                found[name] = {"user_bytes": used / connections,
                               "kernel_bytes_both_ends": kernel / connections}
                time.sleep(0.2)  # The kernel frees sockets a little later.
        return found

    def instructions(self, suite, arguments):
        """User-space instructions a round trip of one connection: the same every time."""
        found = {}
        for name, program in suite.servers.items():
            if name not in NOT_COUNTED and isinstance(program, Program):
                few, many = (self.callgrind(name, program, arguments, n) for n in (500, 2500))
                found[name] = (many - few) / 2000
        return found

    def callgrind(self, name, program, arguments, messages):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder, "log")
            command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out",
                       f"--log-file={log}", *program.command()]
            server = Server(name, command, self.place, environment=program.environment)
            run_client(self.client, self.place, ["count", "--messages", messages, *arguments]
                       + server.target)
            server.process.send_signal(signal.SIGTERM)
            server.stop()
            return int(re.search(r"Collected : (\d+)", log.read_text(encoding="utf-8")).group(1))


def private_memory(pid):
    """Bytes that the process has written to and shares with nobody: heap, stacks, data."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    return 1024 * int(re.search(r"^Private_Dirty:\s+(\d+) kB", text, re.M).group(1))


def kernel_memory():
    """The kernel's slabs and socket buffers, in bytes; of the whole machine."""
    meminfo = pathlib.Path("/proc/meminfo").read_text(encoding="utf-8")
    sockstat = pathlib.Path("/proc/net/sockstat").read_text(encoding="utf-8")
    slab = 1024 * int(re.search(r"^Slab:\s+(\d+) kB", meminfo, re.M).group(1))
    return slab + 4096 * int(re.search(r"^TCP:.* mem (\d+)", sockstat, re.M).group(1))


def print_instructions(bench, result):
    cases = {"echo": {"64 B": ["--size", 64], "16 KiB": ["--size", 16384]},
             "HTTP": {"a request": ["--depth", 1], "16 pipelined requests": ["--depth", 16]}}
    for suite in (s for s in bench.suites if s.rows and s.name in cases):
        for what, arguments in cases[suite.name].items():
            counts = bench.instructions(suite, arguments)
            result.setdefault("instructions", {})[f"{suite.name}, {what}"] = counts
            print(f"\nUser-space instructions, {suite.name}, one connection, {what} (callgrind)")
            for name, count in counts.items():
                print(f"  {name:<11}{count:>12,.0f}")


def run(options):
    facts = machine()
    print_machine(facts)
    bench = Bench(options)
    blocks, rounds = (1, 5) if options.quick else (options.blocks, options.rounds)
    began = time.monotonic()
    results = bench.measure(blocks, rounds)
    print("Versions: " + ", ".join(sorted(set(bench.versions.values()))))
    print(f"One loop on CPU {bench.place.server_cpus()}, the client on {bench.place.client_cpus()}"
          f"{', real-time priority' if options.realtime else ''}; {blocks} x {rounds} rounds of turns.\n"
          "Ratios are medians of those of the same round, with their 95 % range. Cost below 1 and "
          "rate above 1: Leat is ahead.")
    result = {"machine": facts, "versions": bench.versions, "rounds": blocks * rounds, "rows": {}}
    for suite in bench.suites:
        for row in suite.rows:
            judged = judge(results[row.title], suite)
            result["rows"][row.title] = judged
            print_row(row.title, row.unit, judged)
    for suite in (s for s in bench.suites if s.name in IDLE):
        connections = 1000 if options.quick else 15_000
        title = f"{suite.name}, {connections:,} idle connections, each used once"
        if options.only in title:
            memory = bench.idle(suite, connections)
            result.setdefault("idle", {})[suite.name] = memory
            print_memory(title, memory)
    if options.callgrind:
        print_instructions(bench, result)
    if result["rows"]:
        sum_up(result["rows"])
    if options.quick:
        print("A quick run only shows that everything runs: it gives no verdict.")
    print(f"{time.monotonic() - began:.0f} s.")
    write_json(options.json, result)
