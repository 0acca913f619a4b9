"""Starts real programs, with and without `leat run`, and asks Leat's counters what it did for them.

LEAT names the program `leat`, PEERS the folder where ./dev unpacks what it does not install. Each World has a
broker of its own. Every wait has a deadline, so what hangs fails.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

LEAT = os.environ.get("LEAT", "leat")
PEERS = os.environ.get("PEERS", "")
DEADLINE = 60
SKIPPED = 77
# Who runs under Leat: (server, client).
SIDES = {"both": (True, True), "server": (True, False), "client": (False, True)}


def find(name):
    """The path of a program, or the test is skipped."""
    places = [f"{PEERS}/usr/bin", f"{PEERS}/usr/sbin", f"{PEERS}/usr/lib/postgresql/15/bin",
              "/usr/lib/postgresql/15/bin", os.environ["PATH"], "/usr/sbin"]
    found = shutil.which(name, path=":".join(places))
    if not found and name == "redis-server":
        # Debian's redis-tools has the server's program under another name; it goes by how it is called.
        same = shutil.which("redis-check-rdb")
        if same:
            found = os.path.join(tempfile.mkdtemp(prefix="leat-redis-"), name)
            os.symlink(same, found)
    if not found:
        raise unittest.SkipTest(f"{name} is not here")
    return found


def await_true(condition, what, deadline=DEADLINE):
    end = time.monotonic() + deadline
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline} s in vain: {what}")
        time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port):
    """Looked up, not tried: a connection would be one more to serve."""
    wanted = f":{port:04X} "
    for table in ("tcp", "tcp6"):
        with open(f"/proc/net/{table}", encoding="ascii") as lines:
            if any(" 0A " in line and wanted in line.split(":", 1)[1][:40] for line in lines):
                return True
    return False


class World:
    """A folder, a broker, and what was started; all of it ends with it."""

    def __init__(self, user=None, **environment):
        """`user`: all of it runs as that number, if we are root."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="leat-programs-"))
        self.extra = {name: str(value) for name, value in environment.items()}
        self.servers = []
        self.become = []
        if user is not None and os.geteuid() == 0:
            self.become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
            os.chown(self.folder, user, user)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in reversed(self.servers):
            stop(server)
        with contextlib.suppress(AssertionError, OSError):
            broker = self.counters().get("broker_pid", 0)
            if broker > 1:
                os.kill(broker, signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self):
        kept = {n: v for n, v in os.environ.items()
                if n != "LD_PRELOAD" and (not n.startswith("LEAT") or n == "LEAT_PRELOAD")}
        return {**kept, "LEAT_DIR": str(self.folder / "leat"), **self.extra}

    def words(self, leat, words):
        words = [str(word) for word in words]
        return [*self.become, LEAT, "run", "--", *words] if leat else [*self.become, *words]

    def start(self, leat, words, port, **options):
        """A server; returns when it listens."""
        log = open(self.folder / f"log-{len(self.servers)}", "w+", encoding="utf-8")
        with log:
            server = subprocess.Popen(self.words(leat, words), env=self.environment(), stdout=log,
                                      stdin=subprocess.DEVNULL, stderr=log, **options)
        self.servers.append(server)
        server.log = log.name
        await_true(lambda: is_listening(port) or server.poll() is not None, f"{words[0]} listens", 20)
        if server.poll() is not None:
            raise AssertionError(f"{words[0]} ended with {server.returncode}: "
                                 f"{pathlib.Path(log.name).read_text(encoding='utf-8')[-2000:]}")
        return server

    def run(self, leat, words, check=True, text=True, timeout=DEADLINE, **options):
        """A client, to its end; its output."""
        done = subprocess.run(self.words(leat, words), env=self.environment(), capture_output=True,
                              text=text, timeout=timeout, check=False,
                              **({} if "input" in options else {"stdin": subprocess.DEVNULL}), **options)
        if check and done.returncode != 0:
            raise AssertionError(f"{words} ended with {done.returncode}: {done.stdout[-1500:]!r} "
                                 f"{done.stderr[-1500:]!r}")
        return done.stdout

    def counters(self):
        done = subprocess.run([*self.become, LEAT, "smc", "stats", "--json"], env=self.environment(),
                              capture_output=True, text=True, timeout=DEADLINE, check=False)
        if done.returncode != 0:
            raise AssertionError(f"leat smc stats: {done.returncode} {done.stderr}")
        return json.loads(done.stdout)


def stop(server):
    if server.poll() is None:
        server.terminate()
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


class ProgramTest(unittest.TestCase):
    """`with self.world(...)`; `judge` says whether shared memory was used where it must be."""

    def judge(self, world, sides, least_ends, least_bytes):
        """After the traffic: both ends have Leat, so that many ends and bytes went by rings; or one has it, and
        none did."""
        counters = world.counters()
        if sides == "both":
            self.assertGreaterEqual(counters["shared"], least_ends, counters)
            self.assertGreaterEqual(counters["ring_bytes"], least_bytes, counters)
        else:
            self.assertEqual(counters["shared"], 0, counters)
            self.assertEqual(counters["ring_bytes"], 0, counters)
            self.assertGreater(counters["connections"], 0, counters)

    def on_each_side(self, check, sides=tuple(SIDES)):
        for name in sides:
            with self.subTest(leat=name), World() as world:
                check(world, name, *SIDES[name])


def main():
    """SKIPPED if all that ran passed and some did not run."""
    result = unittest.main(verbosity=2, exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if result.skipped else 0)
