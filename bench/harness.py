"""What the benchmarks share: the machine, the processes, and the statistics of paired turns."""

import collections
import json
import math
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys

DESCRIPTORS = 15_200  # of the largest case, and a few


def machine():
    """What a figure cannot be read without."""
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                if line.startswith("model name")), platform.machine())
    facts = {
        "cpu": cpu,
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "virtual_machine": "hypervisor" in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "load_before": round(os.getloadavg()[0], 2),
    }
    for name in ("tcp_congestion_control", "tcp_rmem", "tcp_wmem"):
        file = pathlib.Path("/proc/sys/net/ipv4", name)
        if file.exists():
            facts[name] = " ".join(file.read_text(encoding="utf-8").split())
    return facts


def print_machine(facts):
    print(f"{facts['cpu']}, {facts['cpus']} CPUs"
          f"{' (virtual machine)' if facts['virtual_machine'] else ''}, "
          f"{facts['memory_mib']} MiB, Linux {facts['kernel']}, "
          f"{facts.get('tcp_congestion_control', '?')}, load {facts['load_before']}")
    if facts["load_before"] > facts["cpus"] / 4:
        print("Other work is running: read the ratios, not the absolute figures.")


class Place:
    """Where and how processes run: CPUs, and with `realtime` ahead of the machine's other work."""

    def __init__(self, realtime=False):
        self.cpus = sorted(os.sched_getaffinity(0))
        self.realtime = realtime

    def server_cpus(self):
        return {self.cpus[-1]}

    def client_cpus(self):
        return {self.cpus[0]}

    def starter(self, cpus):
        def prepare():
            os.sched_setaffinity(0, cpus)
            if self.realtime:
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            wanted = min(max(soft, DESCRIPTORS), hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return prepare


class Server:
    """A running server; it prints 'listening PORT LIBRARY VERSION' when it is ready."""

    def __init__(self, name, command, place, cpus=None, environment=None):
        self.name = name
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, preexec_fn=place.starter(cpus or place.server_cpus()),
            env={**os.environ, **(environment or {})})
        words = self.process.stdout.readline().split()
        if len(words) != 4 or words[0] != "listening":
            self.stop()
            raise RuntimeError(f"{command[0]} did not start")
        self.port = int(words[1])
        self.version = f"{words[2]} {words[3]}"

    @property
    def pid(self):
        return self.process.pid

    @property
    def target(self):
        return ["--target", f"{self.port}:{self.pid}"]

    def ask(self, question):
        """One line to the server's standard input, one line of JSON back."""
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def run_client(binary, place, arguments, cpus=None):
    """Runs the client to its end; returns its lines."""
    done = subprocess.run([str(binary)] + [str(a) for a in arguments], stdout=subprocess.PIPE,
                          text=True, check=True,
                          preexec_fn=place.starter(cpus or place.client_cpus()))
    return [json.loads(line) for line in done.stdout.splitlines()]


class Turns:
    """The turns of several servers in rounds, and what they say when paired."""

    def __init__(self):
        self.turns = collections.defaultdict(list)  # by server: one entry a round
        self.latencies = collections.defaultdict(list)
        self.failed = collections.Counter()

    def add(self, names, lines):
        for line in lines:
            name = names[line["target"]]
            if "requests" in line:
                self.turns[name].append(line)
            else:
                self.latencies[name].append((line["p50_ns"], line["p99_ns"]))
                self.failed[name] += line["failed"]

    def per_request(self, name, what):
        """One figure a round; None where a turn did nothing or the machine does not count."""
        return [t["server"][what] / t["requests"]
                if t["requests"] and t["server"][what] is not None else None
                for t in self.turns[name]]

    def rates(self, name):
        return [t["requests"] / t["seconds"] or None for t in self.turns[name]]

    def latency(self, name, index):
        return statistics.median(l[index] for l in self.latencies[name])

    def first_measure(self):
        """Cycles where the machine counts them, otherwise CPU time."""
        cycles = [c for name in self.turns for c in self.per_request(name, "cycles")]
        return "cycles" if cycles and None not in cycles else "cpu_ns"


def spread(values):
    """Median of what is there, quartiles, and where the true median lies in 95 of 100 cases."""
    values = sorted(v for v in values if v is not None)
    if not values:
        return None
    count = len(values)
    # The ranks that hold the median by the binomial distribution; they assume no shape.
    reach = math.ceil(0.98 * math.sqrt(count))
    low = values[max(0, count // 2 - reach)]
    high = values[min(count - 1, (count - 1) // 2 + reach)]
    q1, _, q3 = (statistics.quantiles(values, n=4, method="inclusive") if count > 1
                 else values * 3)
    return {"median": statistics.median(values), "low": low, "high": high, "q1": q1, "q3": q3,
            "min": values[0], "max": values[-1], "n": count}


def paired(ours, theirs):
    """The spread of the ratios of figures measured in the same round."""
    return spread(a / b for a, b in zip(ours, theirs) if a and b)


def noise_of(control):
    """How far from 1 the median ratio of a program to itself may lie by chance."""
    return max(abs(control["low"] - 1), abs(control["high"] - 1))


def write_json(path, result):
    if path:
        pathlib.Path(path).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"Written: {path}", file=sys.stderr)
