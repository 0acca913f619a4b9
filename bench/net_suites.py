"""What `run.py net` compares: suites of rows, and the servers of each."""

import dataclasses
import pathlib

import nginx
from harness import DESCRIPTORS, Server

LEAT = "leat"
URING = "leat uring"    # the same program on the other poller
CONTROL = "leat again"  # the same program a second time: what differs from it is noise
OURS = (LEAT, URING)


@dataclasses.dataclass
class Row:
    title: str
    mode: str
    arguments: list
    turn: float
    unit: str = "request"


@dataclasses.dataclass
class Program:
    """A server of ours or a peer, which says where it listens."""
    path: pathlib.Path
    environment: dict = dataclasses.field(default_factory=dict)
    arguments: tuple = ()

    def missing(self):
        return None if self.path.exists() else f"{self.path} was not built"

    def start(self, name, place):
        return Server(name, self.command(), place, environment=self.environment)

    def command(self):
        return [self.path, *self.arguments]


@dataclasses.dataclass
class NginxProgram:
    build: str

    def missing(self):
        return None if nginx.find(self.build) else "nginx was not found"

    def start(self, name, place):
        return nginx.Nginx(name, nginx.find(self.build), place, DESCRIPTORS)


class Suite:
    """Servers that do the same thing, and the rows that compare them."""

    def __init__(self, name, servers, peers, rows):
        self.name = name
        self.rows = rows
        self.absent = {n: s.missing() for n, s in servers.items() if s.missing()}
        self.servers = {n: s for n, s in servers.items() if n not in self.absent}
        self.peers = [p for p in peers if p in self.servers]


def leat_programs(path, *arguments):
    return {LEAT: Program(path, {"LEAT_POLLER": "epoll"}, arguments),
            URING: Program(path, {"LEAT_POLLER": "uring"}, arguments),
            CONTROL: Program(path, {"LEAT_POLLER": "epoll"}, arguments)}


def plural(count):
    return f"{count:,} connection{'s'[:count > 1]}"


def echo(build, quick):
    folder = pathlib.Path(build, "bench", "net")
    turn = 0.02 if quick else 0.05
    rows = []
    for size, text in ((64, "64 B"), (16384, "16 KiB")):
        for count in (1, 64, 1000):
            rows.append(Row(f"echo, {plural(count)} x {text}", "echo",
                            ["--connections", count, "--size", size],
                            2 * turn if count == 1000 else turn))
    for how in ("rst", "fin"):
        rows.append(Row(f"new connections, ended by {how.upper()}", "churn",
                        ["--connections", 64, "--close", how], 2 * turn, "connection"))
    peers = ["libevent", "libuv", "asio"]
    servers = leat_programs(folder / "bench_echo_leat")
    # No library at all: what the system calls alone cost.
    servers["bare epoll"] = Program(folder / "bench_echo_epoll")
    servers["bare uring"] = Program(folder / "bench_echo_uring")
    servers.update({p: Program(folder / f"bench_echo_{p}") for p in peers})
    return Suite("echo", servers, peers, rows)


def http(build, quick):
    folder = pathlib.Path(build, "bench", "net")
    turn = 0.02 if quick else 0.05
    rows = [Row(f"HTTP, {plural(count)}", "http", ["--connections", count],
                2 * turn if count == 1000 else turn) for count in (1, 64, 1000)]
    rows.append(Row("HTTP, 64 connections, 16 pipelined", "http",
                    ["--connections", 64, "--depth", 16], turn))
    servers = leat_programs(folder / "bench_http_leat")
    servers["nginx"] = NginxProgram(build)
    servers.update({p: Program(folder / f"bench_http_{p}") for p in ("h2o", "beast")})
    return Suite("HTTP", servers, ["nginx", "h2o", "beast"], rows)


def udp(build, quick, kind, offload):
    """A suite for each way of the servers; `offload` is GSO and GRO."""
    folder = pathlib.Path(build, "bench", "net")
    turn = 0.02 if quick else 0.05
    how = "with GSO and GRO" if offload else "without GSO and GRO"
    arguments = ["--size", 1200, "--connections", 2, "--depth", 32]
    if kind == "sink":
        arguments += ["--sink", "on"]
    if offload:
        arguments += ["--offload", "on"]
    rows = [Row(f"UDP {kind}, 2 peers x 32 x 1,200 B, {how}", "udp", arguments, turn, "packet")]
    if kind == "echo" and not offload:
        rows.append(Row("UDP echo, 64 peers x 64 B", "udp", ["--connections", 64], turn, "packet"))
    mode = (kind, "gro" if offload else "plain")
    servers = leat_programs(folder / "bench_udp_leat", *mode)
    # No library at all.
    servers["bare mmsg"] = Program(folder / "bench_udp_mmsg", arguments=mode)
    peers = ["libuv", "asio"]
    servers.update({p: Program(folder / f"bench_udp_{p}", arguments=mode) for p in peers})
    return Suite(f"UDP {kind} {mode[1]}", servers, peers, rows)


def suites(build, quick, only):
    """Those with a row whose title has `only`, and of their rows these."""
    found = [echo(build, quick), http(build, quick)]
    found += [udp(build, quick, kind, offload) for offload in (False, True)
              for kind in ("echo", "sink")]
    for suite in found:
        suite.rows = [row for row in suite.rows if only in row.title]
    return found
