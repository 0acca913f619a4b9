"""Listeners that come and go under load: which clients notice?

Each scenario starts servers, lets `leat load` open a new connection for every request without pause, and
meanwhile restarts processes, changes the number of loops, or lets processes join and leave. What the
clients saw and what the kernel counted is compared. Run as a program it makes the table of docs/restart.md;
the short form of it is restart_test.py.
"""

import argparse
import fcntl
import itertools
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from harness import LEAT, Server

IN_NAMESPACE = "LEAT_CHURN_NAMESPACE"
COUNTERS = {"TcpOutRsts": ("snmp", "Tcp", "OutRsts"),
            "MigrateReqSuccess": ("netstat", "TcpExt", "TCPMigrateReqSuccess"),
            "MigrateReqFailure": ("netstat", "TcpExt", "TCPMigrateReqFailure")}


def enter_namespace():
    """Starts this program again in a network namespace of its own, with loopback up; returns there,
    and also where none can be made: whether it is one."""
    if IN_NAMESPACE not in os.environ:
        for flags in ("-n", "-rn"):
            if subprocess.run(["unshare", flags, "true"], capture_output=True,
                              check=False).returncode == 0:
                os.environ[IN_NAMESPACE] = flags
                os.execvp("unshare", ["unshare", flags, sys.executable, "-B", *sys.argv])
        return False
    with socket.socket() as any_socket:
        request = struct.pack("16sh", b"lo", 0x1 | 0x40)  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, request.ljust(40, b"\0"))  # SIOCSIFFLAGS
    return True


def set_migration(on):
    """net.ipv4.tcp_migrate_req of this namespace; false where there is no such setting."""
    try:
        with open("/proc/sys/net/ipv4/tcp_migrate_req", "w", encoding="ascii") as file:
            file.write("1" if on else "0")
        return True
    except OSError:
        return False


def drop_packets(percent):
    """From now on the servers lose so many of the packets that are no SYN; false without nftables."""
    if shutil.which("nft") is None:
        return False
    rules = "table inet churn\ndelete table inet churn\n"
    if percent:
        rules += ("table inet churn {\n chain input {\n type filter hook input priority 0\n"
                  "tcp dport 7800-7999 tcp flags & syn == 0 "
                  f"numgen random mod 100 < {percent} drop\n }}\n}}\n")
    return subprocess.run(["nft", "-f", "-"], input=rules, text=True, capture_output=True,
                          check=False).returncode == 0


def kernel_counters():
    tables = {}
    for file in ("snmp", "netstat"):
        with open(f"/proc/net/{file}", encoding="ascii") as lines:
            for names, values in zip(lines, lines):
                kind = names.split(":")[0]
                tables[file, kind] = dict(zip(names.split()[1:], map(int, values.split()[1:])))
    return {name: tables[file, kind].get(key, 0) for name, (file, kind, key) in COUNTERS.items()}


class Clients:
    """`leat load`, a connection for each request, until finish()."""

    def __init__(self, address, connections):
        self.process = subprocess.Popen(
            [LEAT, "load", f"http://{address}/file", "--json", "--new-connections",
             "--connections", str(connections), "--duration", "600", "--timeout", "30"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        out, errors = self.process.communicate(timeout=60)
        if not out:
            raise AssertionError(f"no report from leat load: {errors}")
        report = json.loads(out)
        return {"requests": report["requests"], "failed": report["errors"]["total"],
                "errors": {kind: count for kind, count in report["errors"].items()
                           if kind not in ("total", "first") and count},
                "first": report["errors"]["first"]}


class Churn:
    """A folder with a file to serve, and the servers that were started."""

    ports = itertools.count(7800)

    def __init__(self, address=None, pause=0.05, connections=32, grace=1):
        self.folder = tempfile.TemporaryDirectory(prefix="leat-churn-")
        with open(os.path.join(self.folder.name, "file"), "w", encoding="ascii") as file:
            file.write("content of some length\n" * 20)
        self.path = os.path.join(self.folder.name, "takeover.sock")
        self.address = address or f"127.0.0.1:{next(self.ports)}"
        self.pause = pause
        self.connections = connections
        self.grace = grace
        self.servers = []

    def start(self, *options):
        if "--first-input-grace" not in options:
            options = ("--first-input-grace", self.grace, *options)
        server = Server(self.folder.name, *options, listen=(self.address,))
        if self.address.endswith(":0"):
            self.address = server.addresses[0]
        self.servers.append(server)
        return server

    def close(self):
        for server in self.servers:
            server.__exit__()
        self.folder.cleanup()

    def forget_all_but(self, serving):
        """The others drain by themselves, or were told to."""
        for server in [one for one in self.servers if one is not serving]:
            self.forget(server)

    def forget(self, server):
        """One that has been told to end: its status is looked at when it has."""
        if server.process.wait(60) != 0:
            raise AssertionError(f"exit status {server.process.returncode}: {server.errors}")
        server.__exit__()
        self.servers.remove(server)

    def measure(self, change, *options):
        """`change(churn, first server)` under load, and what came of it."""
        first = self.start(*options)
        before = kernel_counters()
        clients = Clients(self.address, self.connections)
        try:
            time.sleep(0.3)
            change(self, first)
            time.sleep(0.3)
            after = kernel_counters()  # before the clients' own resets
            result = clients.finish()
        finally:
            clients.process.kill()
        result["kernel"] = {name: after[name] - before[name] for name in after}
        return result


# What changes, for Churn.measure().

def nothing(_churn, _first):
    time.sleep(2)


def takeovers(count, *options):
    """So many times a new process takes over."""
    def change(churn, old):
        for _ in range(count):
            new = churn.start("--takeover", churn.path, *options)
            new.await_event("taken_over")
            time.sleep(churn.pause)
            old = new  # the old one drains by itself, beside the following ones
        churn.forget_all_but(old)
    return change


def stop_then_start(count, *options):
    def change(churn, old):
        for _ in range(count):
            old.process.send_signal(signal.SIGTERM)
            churn.forget(old)
            old = churn.start(*options)
            time.sleep(churn.pause)
    return change


def start_then_stop(count, *options):
    """New processes join the port and old ones leave."""
    def change(churn, old):
        for _ in range(count):
            new = churn.start("--share-port", *options)
            time.sleep(churn.pause)
            old.process.send_signal(signal.SIGTERM)
            old = new
        churn.forget_all_but(old)
    return change


def resizes(count):
    """So many changes of the number of loops, between 1 and 8, by steps of one."""
    def change(churn, server):
        step = signal.SIGTTOU
        for _ in range(count):
            server.process.send_signal(step)
            loops = server.await_event("resized")["loops"]
            if loops in (1, 8):
                step = signal.SIGTTIN if loops == 1 else signal.SIGTTOU
            time.sleep(churn.pause)
    return change


RESIZABLE = ("--loops", 8, "--max-loops", 8)


def rows(count):
    """(what changes, remedy, change, options, sysctl)"""
    two = ("--loops", 2)
    return [
        ("nothing", "", nothing, two, False),
        (f"{count} restarts", "none: stop, then start", stop_then_start(count, *two), two, False),
        (f"{count} restarts", "none: start beside it, then stop",
         start_then_stop(count, *two), (*two, "--share-port"), False),
        (f"{count} restarts", "request migration (program)",
         start_then_stop(count, *two, "--migrate"), (*two, "--share-port", "--migrate"), False),
        (f"{count} restarts", "request migration (sysctl)",
         start_then_stop(count, *two), (*two, "--share-port"), True),
        (f"{count} restarts", "`--takeover`", takeovers(count, *two),
         (*two, "--takeover", "PATH"), False),
        (f"{count} restarts", "none for silent connections: `--takeover` without grace",
         takeovers(count, *two, "--first-input-grace", 0),
         (*two, "--takeover", "PATH", "--first-input-grace", 0), False),
        (f"{count} changes of the loops", "none: listeners close", resizes(count),
         (*RESIZABLE, "--close-listeners"), False),
        (f"{count} changes of the loops", "request migration (program)", resizes(count),
         (*RESIZABLE, "--close-listeners", "--migrate"), False),
        (f"{count} changes of the loops", "request migration (sysctl)", resizes(count),
         (*RESIZABLE, "--close-listeners"), True),
        (f"{count} changes of the loops", "fixed set of listeners", resizes(count), RESIZABLE,
         False),
    ]


def run_row(row, grace, pause, connections):
    what, remedy, change, options, sysctl = row
    set_migration(sysctl)
    churn = Churn(pause=pause, connections=connections, grace=grace)
    try:
        options = [churn.path if option == "PATH" else option for option in options]
        result = churn.measure(change, *options)
    finally:
        churn.close()
        set_migration(False)
    kernel = result["kernel"]
    print(f"| {what} | {remedy} | {result['requests']:,} | {result['failed']:,} | "
          f"{kernel['TcpOutRsts']:,} | {kernel['MigrateReqSuccess']:,} | "
          f"{kernel['MigrateReqFailure']:,} |", flush=True)
    if result["failed"]:
        print(f"  {result['errors']}, first: {result['first']}", file=sys.stderr, flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="changes in each scenario [100]")
    parser.add_argument("--only", default="", help="rows with this text")
    parser.add_argument("--lossy", action="store_true", help="only where packets are lost")
    arguments = parser.parse_args()
    if not enter_namespace():
        sys.exit("churn: needs a network namespace of its own (unshare -n)")
    wrong = 0
    networks = [(0, 1, 32), (10, 10, 128)]
    for percent, grace, connections in networks[1 if arguments.lossy else 0:]:
        if not drop_packets(percent):
            print("Without nftables there is no lossy network.", file=sys.stderr)
            if percent:
                break
        print(f"\nPackets lost: {percent} %\n\n"
              "| what changes | remedy | requests | failed | TcpOutRsts | migrated | not migrated |\n"
              "| --- | --- | --- | --- | --- | --- | --- |", flush=True)
        for row in rows(arguments.count):
            if arguments.only not in f"{row[0]} {row[1]}":
                continue
            result = run_row(row, grace, 0.03, connections)
            if "none" not in row[1] and result["failed"]:
                wrong += 1
    drop_packets(0)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
