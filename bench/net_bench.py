"""`run.py net`: Leat's echo server beside those of its peers, in turns of one run."""

import contextlib
import dataclasses
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from harness import (Place, Server, Turns, machine, noise_of, paired, print_machine, run_client,
                     spread, write_json)

PEERS = ["libevent", "libuv", "asio"]
CONTROL = "leat again"  # the same program a second time: what differs from it is noise
FLOOR = "bare epoll"    # no library at all: what the system calls alone cost
URING = "leat uring"    # the same program on the other poller
PROGRAMS = {"leat": "leat", URING: "leat", CONTROL: "leat", FLOOR: "epoll", **{p: p for p in PEERS}}
ENVIRONMENT = {"leat": {"LEAT_POLLER": "epoll"}, CONTROL: {"LEAT_POLLER": "epoll"},
               URING: {"LEAT_POLLER": "uring"}}


@dataclasses.dataclass
class Row:
    title: str
    mode: str
    arguments: list
    turn: float
    unit: str = "request"


def rows(quick):
    turn = 0.02 if quick else 0.05
    found = []
    for size, text in ((64, "64 B"), (16384, "16 KiB")):
        for connections in (1, 64, 1000):
            found.append(Row(f"echo, {connections:,} connection{'s'[:connections > 1]} x {text}", "echo",
                             ["--connections", connections, "--size", size],
                             2 * turn if connections == 1000 else turn))
    found.append(Row("new connections, ended by RST", "churn", ["--connections", 64], 2 * turn,
                     "connection"))
    found.append(Row("new connections, ended by FIN", "churn",
                     ["--connections", 64, "--close", "fin"], 2 * turn, "connection"))
    return found


class Bench:
    def __init__(self, options):
        self.folder = pathlib.Path(options.build, "bench", "net")
        self.client = self.folder / "bench_client"
        if not self.client.exists():
            sys.exit(f"{self.client} is missing: build {options.build} with LEAT_BENCH=ON")
        self.names = [n for n, p in PROGRAMS.items() if self.program(n).exists()]
        for name in set(PROGRAMS) - set(self.names):
            print(f"Without {name}: {self.program(name)} was not built.")
        self.place = Place(options.realtime)
        self.versions = {}

    def program(self, name):
        return self.folder / f"bench_echo_{PROGRAMS[name]}"

    @contextlib.contextmanager
    def servers(self, names):
        running = []
        try:
            for name in names:
                running.append(Server(name, [self.program(name)], self.place,
                                      environment=ENVIRONMENT.get(name)))
                self.versions[name] = running[-1].version
            yield running
        finally:
            for server in running:
                server.stop()

    def measure(self, wanted, blocks, rounds):
        """Each block has fresh processes, for how a process came to lie in memory is luck too."""
        results = {row.title: Turns() for row in wanted}
        for block in range(blocks):
            # Another order each time: whoever is first is not always the same one.
            turned = self.names[block % len(self.names):] + self.names[:block % len(self.names)]
            with self.servers(turned) as servers:
                targets = [word for server in servers for word in server.target]
                for row in wanted:
                    print(f"block {block + 1} of {blocks}: {row.title}", file=sys.stderr)
                    lines = run_client(self.client, self.place,
                                       [row.mode, "--rounds", rounds, "--turn", row.turn]
                                       + row.arguments + targets)
                    results[row.title].add(turned, lines)
        return results

    def idle(self, connections):
        """User memory of idle connections, each used once, in bytes a connection."""
        found = {}
        for name in (n for n in self.names if n != CONTROL):
            with self.servers([name]) as (server,):
                run_client(self.client, self.place, ["echo", "--turn", 0.02] + server.target)
                before, kernel_before = private_memory(server.pid), kernel_memory()
                holder = subprocess.Popen(
                    [str(self.client), "idle", "--connections", str(connections)] + server.target,
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

    def instructions(self, size):
        """User-space instructions a request, one connection, by callgrind: the same every time."""
        found = {}
        for name in (n for n in self.names if n != CONTROL):
            few, many = (self.callgrind(name, size, count) for count in (500, 2500))
            found[name] = (many - few) / 2000
        return found

    def callgrind(self, name, size, messages):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder, "log")
            command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out",
                       f"--log-file={log}", self.program(name)]
            server = Server(name, command, self.place, environment=ENVIRONMENT.get(name))
            run_client(self.client, self.place, ["count", "--messages", messages, "--size", size]
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


def judge(turns, names):
    """Figures of each server, its paired ratios to Leat, and whether Leat is behind."""
    measure = turns.first_measure()
    cost = {name: turns.per_request(name, measure) for name in names}
    rate = {name: turns.rates(name) for name in names}
    row = {"measure": measure, "servers": {}}
    for name in names:
        if spread(cost[name]) is None:
            raise RuntimeError(f"{name} answered nothing")
        row["servers"][name] = {
            "cost": spread(cost[name]), "rate": spread(rate[name]),
            "p50_us": turns.latency(name, 0) / 1e3, "p99_us": turns.latency(name, 1) / 1e3,
            "waits": spread(turns.per_request(name, "waits")), "failed": turns.failed[name],
            "leat_cost_ratio": paired(cost["leat"], cost[name]),
            "leat_rate_ratio": paired(rate["leat"], rate[name]),
        }
    control = row["servers"][CONTROL]
    row["cost_noise"] = noise_of(control["leat_cost_ratio"])
    row["rate_noise"] = noise_of(control["leat_rate_ratio"])
    row["behind"] = []
    for name in (p for p in PEERS if p in names):
        peer = row["servers"][name]
        if peer["leat_cost_ratio"]["low"] > 1 + row["cost_noise"]:
            row["behind"].append(f"{name} (cost)")
        if peer["leat_rate_ratio"]["high"] < 1 - row["rate_noise"]:
            row["behind"].append(f"{name} (rate)")
    return row


def print_row(title, unit, row):
    cycles = row["measure"] == "cycles"
    scale = 1 if cycles else 1000
    print(f"\n{title}: noise of cost {row['cost_noise']:.1%}, of rate {row['rate_noise']:.1%}")
    print(f"  {'server':<11}{'cycles' if cycles else 'CPU us'}/{unit:<11}{'Leat/it':<22}"
          f"{unit + 's/s':>14}  {'Leat/it':<9}{'p50 us':>8}{'p99 us':>9}")
    for name, s in row["servers"].items():
        r = s["leat_cost_ratio"]
        ratios, speed = ("", "") if name == "leat" else (
            f"{r['median']:.3f} [{r['low']:.3f}..{r['high']:.3f}]",
            f"{s['leat_rate_ratio']['median']:.3f}")
        print(f"  {name:<11}{s['cost']['median'] / scale:>10.2f}{'':<8}{ratios:<22}"
              f"{s['rate']['median']:>14,.0f}  {speed:<9}{s['p50_us']:>8,.0f}{s['p99_us']:>9,.0f}"
              + (f"  {s['failed']} FAILED" if s["failed"] else ""))
    if row["behind"]:
        print(f"  Leat is BEHIND {', '.join(row['behind'])} by more than the noise.")


def run(options):
    facts = machine()
    print_machine(facts)
    bench = Bench(options)
    wanted = [r for r in rows(options.quick) if options.only in r.title]
    blocks, rounds = (1, 5) if options.quick else (options.blocks, options.rounds)
    began = time.monotonic()
    results = bench.measure(wanted, blocks, rounds)
    print("Versions: " + ", ".join(sorted({v for v in bench.versions.values()})))
    print(f"One loop on CPU {bench.place.server_cpus()}, the client on {bench.place.client_cpus()}"
          f"{', real-time priority' if options.realtime else ''}; {blocks} x {rounds} rounds of turns.\n"
          "Ratios are medians of those of the same round, with their 95 % range. Cost below 1 and "
          "rate above 1: Leat is ahead.")
    result = {"machine": facts, "versions": bench.versions, "rounds": blocks * rounds, "rows": {}}
    for row in wanted:
        judged = judge(results[row.title], bench.names)
        result["rows"][row.title] = judged
        print_row(row.title, row.unit, judged)
    if options.only in "idle":
        connections = 1000 if options.quick else 15_000
        result["idle"] = bench.idle(connections)
        print(f"\n{connections:,} idle connections, each used once: bytes a connection")
        print(f"  {'server':<11}{'user memory':>12}{'kernel, both ends':>20}")
        for name, m in result["idle"].items():
            print(f"  {name:<11}{m['user_bytes']:>12,.0f}{m['kernel_bytes_both_ends']:>20,.0f}")
    if options.callgrind:
        for size in (64, 16384):
            counts = bench.instructions(size)
            result.setdefault("instructions", {})[size] = counts
            print(f"\nUser-space instructions a request, 1 connection x {size} B (callgrind)")
            for name, count in counts.items():
                print(f"  {name:<11}{count:>12,.0f}")
    behind = {t: r["behind"] for t, r in result["rows"].items() if r["behind"]}
    medians = [r["servers"][p]["leat_cost_ratio"]["median"] for r in result["rows"].values()
               for p in PEERS if p in r["servers"]]
    if options.quick:
        print("\nA quick run only shows that everything runs: it gives no verdict.")
    elif result["rows"]:
        print(f"\nLeat is behind a peer by more than the noise in {len(behind)} of "
              f"{len(result['rows'])} rows; median cost beside all peers "
              f"{statistics.median(medians):.3f}. {time.monotonic() - began:.0f} s.")
    write_json(options.json, result)
