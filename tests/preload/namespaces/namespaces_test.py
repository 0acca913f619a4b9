#!/usr/bin/env python3
"""Connections between network namespaces that share one Leat directory.

LEAT names the program `leat`. The namespaces are made here and removed again; without the right to
make them everything is skipped.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

LEAT = os.environ.get("LEAT", "leat")
ENDS = str(pathlib.Path(__file__).with_name("ends.py"))
SKIPPED = 77
DEADLINE = 120
NEAR, FAR = "10.77.0.1", "10.77.0.2"
NEAR6, FAR6 = "fd77::1", "fd77::2"
PORT, SOURCE_PORT = "5000", "40000"


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=20)


def may_make_namespaces():
    name = f"leat{os.getpid()}probe"
    try:
        ip("netns", "add", name)
        ip("netns", "del", name)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


class World:
    """A Leat directory, namespaces, and what was started in them; all of it ends with it."""

    count = 0

    def __init__(self):
        World.count += 1
        self.prefix = f"leat{os.getpid()}w{World.count}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="leat-namespaces-"))
        self.names = {}
        self.started = []
        kept = {n: v for n, v in os.environ.items()
                if n != "LD_PRELOAD" and (not n.startswith("LEAT") or n == "LEAT_PRELOAD")}
        self.environment = {**kept, "LEAT_DIR": str(self.folder / "leat")}

    def close(self):
        for process in reversed(self.started):
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                pipe.close()
        with contextlib.suppress(AssertionError):
            os.kill(self.stats()["broker_pid"], signal.SIGTERM)
        for name in self.names.values():
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, short):
        name = self.prefix + short
        ip("netns", "add", name)
        self.names[short] = name
        ip("-n", name, "link", "set", "lo", "up")

    def join(self, near, far):
        """A cable between two new namespaces, always of the same addresses."""
        self.add(near)
        self.add(far)
        ip("link", "add", "v0", "netns", self.names[near], "type", "veth", "peer", "name", "v0",
           "netns", self.names[far])
        for short, four, six in ((near, NEAR, NEAR6), (far, FAR, FAR6)):
            name = self.names[short]
            ip("-n", name, "addr", "add", f"{four}/24", "dev", "v0")
            ip("-n", name, "-6", "addr", "add", f"{six}/64", "dev", "v0", "nodad")
            ip("-n", name, "link", "set", "v0", "up")

    def words(self, where, words, leat):
        run = [LEAT, "run", "--"] if leat else []
        return ["ip", "netns", "exec", self.names[where], *run, *map(str, words)]

    def start(self, where, *words, leat=True, ready="ready", **extra):
        process = subprocess.Popen(self.words(where, words, leat),
                                   env={**self.environment, **extra}, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        self.started.append(process)
        if ready is not None:
            line = process.stdout.readline().strip()
            if line != ready:
                raise AssertionError(f"{words} has said {line!r}")
        return process

    def server(self, where, pair, address=FAR, **options):
        return self.start(where, sys.executable, "-B", ENDS, "server", address, PORT, pair,
                          **options)

    def client(self, where, pair, connections=1, messages=600, size=600, address=FAR, source=NEAR,
               **options):
        return self.start(where, sys.executable, "-B", ENDS, "client", address, PORT, source,
                          SOURCE_PORT, pair, connections, messages, size, **options)

    def ask(self, *words, where=None, may_fail=False):
        prefix = ["ip", "netns", "exec", self.names[where]] if where else []
        done = subprocess.run([*prefix, LEAT, *words], env=self.environment, capture_output=True,
                              text=True, timeout=20, check=False)
        if done.returncode != 0 and not may_fail:
            raise AssertionError(f"leat {words}: {done.stderr}")
        return done.stdout

    def stats(self):
        return json.loads(self.ask("smc", "stats", "--json"))

    def connections(self):
        return json.loads(self.ask("ss", "--json"))


class Namespaces(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)

    def ends_well(self, *processes):
        deadline = time.monotonic() + DEADLINE
        for process in processes:
            self.assertEqual(process.wait(max(1, deadline - time.monotonic())), 0)

    def let_go(self, client):
        client.stdin.write("\n")
        client.stdin.flush()
        self.ends_well(client)

    def runs_on(self, *servers):
        for server in servers:
            self.assertIsNone(server.poll(), "a server has ended: see above what it said")

    def share(self, **options):
        self.world.join("a", "b")
        server = self.world.server("b", "one", address=options.get("address", FAR))
        client = self.world.client("a", "one", ready="exchanged", HOLD="1", **options)
        stats = self.world.stats()
        self.assertEqual(stats["shared"], 2, stats)
        self.assertGreater(stats["ring_bytes"], 1000)
        self.assertEqual([row["mode"] for row in self.world.connections()], ["SHM", "SHM"])
        self.let_go(client)
        self.runs_on(server)

    def test_two_namespaces_share_memory(self):
        self.share()

    def test_by_ipv6(self):
        self.share(address=FAR6, source=NEAR6)

    def test_large_messages_stay_on_tcp_if_both_ways_are_large(self):
        # More than a segment is acknowledged at once, whoever asks: nothing is proved, nothing lost.
        self.world.join("a", "b")
        server = self.world.server("b", "one")
        client = self.world.client("a", "one", messages=400, size=30000, ready="exchanged",
                                   HOLD="1")
        self.assertEqual(self.world.stats()["shared"], 0)
        self.assertIn("proved", self.world.connections()[0]["reason"])
        self.let_go(client)
        self.runs_on(server)

    def test_two_pairs_of_equal_addresses_are_never_mixed(self):
        self.world.join("a", "b")
        self.world.join("c", "d")
        # In each pair one end offers later than the other, so that many are proposed crosswise.
        late = {"LEAT_EARN_CALLS": "400", "LEAT_EARN_BYTES": "100000000"}
        servers = [self.world.server("b", "one", **late), self.world.server("d", "two")]
        rounds = 24
        clients = [self.world.client("a", "one", rounds, 800, ready=None),
                   self.world.client("c", "two", rounds, 800, ready=None, **late)]
        self.ends_well(*clients)
        self.runs_on(*servers)
        stats = self.world.stats()
        print("two pairs:", stats["shared"], "of", 4 * rounds, "ends share, rejected",
              stats["fallback"]["no_proof"], file=sys.stderr)
        self.assertGreater(stats["shared"], rounds, stats)

    def test_crossed_pairs_are_told_apart(self):
        # Of each pair one end comes late, so that the broker proposes the other two to each other.
        late = {"LEAT_EARN_CALLS": "2000", "LEAT_EARN_BYTES": "100000000"}
        self.world.join("a", "b")
        self.world.join("c", "d")
        servers = [self.world.server("b", "one", **late), self.world.server("d", "two")]
        held = {"messages": 2000, "ready": "connected", "GATE": "1", "HOLD": "1"}
        clients = [self.world.client("a", "one", **held),
                   self.world.client("c", "two", **held, **late)]
        for client in clients:
            client.stdin.write("\n")
            client.stdin.flush()
        for client in clients:
            self.assertEqual(client.stdout.readline(), "exchanged\n")
        stats = self.world.stats()
        self.assertEqual(stats["fallback"]["no_proof"], 2, stats)
        self.assertEqual(stats["shared"], 4, stats)
        for client in clients:
            self.let_go(client)
        self.runs_on(*servers)

    def proxied(self, leat):
        self.world.join("a", "m")  # m has the server's address,
        self.world.join("n", "b")  # n the client's.
        server = self.world.server("b", "one")
        self.world.start("m", sys.executable, "-B", ENDS, "proxy", FAR, PORT, NEAR,
                         self.world.names["n"], leat=leat)
        client = self.world.client("a", "one", messages=1500, ready="exchanged", HOLD="1",
                                   FLIP="1")
        return server, client

    def test_what_a_proxy_ends_stays_on_tcp(self):
        server, client = self.proxied(leat=False)
        stats = self.world.stats()
        self.assertEqual(stats["shared"], 0, stats)
        self.assertGreater(stats["fallback"]["no_proof"], 0, stats)
        for row in self.world.connections():
            self.assertEqual(row["mode"], "TCP")
            self.assertEqual(row["reason"],
                             "not proved to be one connection across network namespaces")
        self.assertIn("not proved to be one connection", self.world.ask("smc", "stats"))
        self.let_go(client)
        self.runs_on(server)

    def test_a_proxy_under_leat_shares_each_leg(self):
        server, client = self.proxied(leat=True)
        stats = self.world.stats()
        print("proxy under Leat:", stats["shared"], "of 4 ends share", file=sys.stderr)
        self.assertIn(stats["shared"], (0, 2, 4), stats)
        self.let_go(client)
        self.runs_on(server)

    def test_ports_used_again_at_once(self):
        self.world.join("a", "b")
        # Some end when one end alone has offered, some before the proof, some after.
        server = self.world.server("b", "one", LEAT_EARN_CALLS="90", LEAT_EARN_BYTES="100000000")
        rounds = 40
        for messages in (20, 60, 250):
            self.ends_well(self.world.client("a", "one", rounds, messages, ready=None))
        self.runs_on(server)
        stats = self.world.stats()
        print("ports used again:", stats["shared"], "ends of", 2 * rounds, "share",
              file=sys.stderr)
        self.assertGreater(stats["shared"], 1.8 * rounds, stats)

    def test_leat_net_serves_another_namespace(self):
        for poller in ("epoll", "uring"):
            with self.subTest(poller=poller):
                world = self.world = World()
                self.addCleanup(world.close)
                world.join("a", "b")
                echo = world.start("b", LEAT, "serve", "--echo", "--listen", f"{FAR}:{PORT}",
                                   leat=False, ready=None, LEAT_POLLER=poller)
                client = world.start("a", sys.executable, "-B", "-c", ECHO_CLIENT, FAR, PORT,
                                     ready="exchanged")
                self.assertEqual(world.stats()["shared"], 2)
                self.let_go(client)
                # And both on leat/net.
                load = world.words("a", [LEAT, "load", "--connections", "4", "--requests", "4000",
                                         f"tcp://{FAR}:{PORT}"], False)
                subprocess.run(load, env={**world.environment, "LEAT_POLLER": poller}, check=True,
                               capture_output=True, timeout=DEADLINE)
                self.assertEqual(world.stats()["shared"], 10)
                self.assertIsNone(echo.poll())

    def test_check_tells_what_it_knows(self):
        self.world.join("a", "b")
        self.world.server("b", "one")
        before = self.world.ask("smc", "check", f"{FAR}:{PORT}", where="a", may_fail=True)
        self.assertIn("TCP", before)
        self.assertIn("another namespace", before)
        client = self.world.client("a", "one", ready="exchanged", HOLD="1")
        after = self.world.ask("smc", "check", f"{FAR}:{PORT}", where="a")
        self.assertIn("SHM", after)
        self.let_go(client)


ECHO_CLIENT = """
import os, random, socket, sys, time
for _ in range(100):
    try:
        connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
        break
    except OSError:
        time.sleep(0.05)
for _ in range(600):
    body = os.urandom(random.randrange(1, 600))
    connection.sendall(body)
    got = b""
    while len(got) < len(body):
        got += connection.recv(65536)
    assert got == body
print("exchanged", flush=True)
sys.stdin.readline()
"""

if __name__ == "__main__":
    if not may_make_namespaces():
        print("namespaces cannot be made here", file=sys.stderr)
        sys.exit(SKIPPED)
    unittest.main(verbosity=2)
