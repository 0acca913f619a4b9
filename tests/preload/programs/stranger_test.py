#!/usr/bin/env python3
"""A program that Leat cannot carry (static; Go or musl, where the tools are) at one end of a connection, then at the other.

WORKER and STATIC_WORKER name the two builds of tests/preload/soak/worker.c.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

from harness import LEAT, ProgramTest, World, main

WORKER = os.environ.get("WORKER", "")
STATIC = os.environ.get("STATIC_WORKER", "")
GO_SOURCE = pathlib.Path(__file__).with_name("stranger.go")
C_SOURCE = pathlib.Path(__file__).with_name("stranger.c")
SEEDS = range(70, 76)


class Stranger(ProgramTest):
    def pair(self, world, server, client, seed):
        """Both under `leat run`; both must end well, so every byte came once and in order."""
        options = {"env": world.environment(), "stdin": subprocess.DEVNULL, "text": True,
                   "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(world.words(True, [*server, "server", seed]), **options) as first:
            port = first.stdout.readline().strip()
            with subprocess.Popen(world.words(True, [*client, "client", seed, port]), **options) as second:
                try:
                    said = second.communicate(timeout=60), first.communicate(timeout=60)
                finally:
                    first.kill()
                    second.kill()
        self.assertEqual((first.returncode, second.returncode), (0, 0), said)

    def play(self, server, client, shared):
        with World(LEAT_EARN_CALLS=4) as world:
            for seed in SEEDS:
                with self.subTest(seed=seed):
                    self.pair(world, server, client, seed)
            counters = world.counters()
        self.assertEqual(counters["shared"] > 0, shared, counters)
        self.assertEqual(counters["ring_bytes"] > 0, shared, counters)

    def setUp(self):
        if not WORKER or not STATIC or not os.path.exists(STATIC):
            raise unittest.SkipTest("no static build of the worker")

    def test_two_that_can(self):
        self.play([WORKER], [WORKER], True)

    def test_a_static_client(self):
        self.play([WORKER], [STATIC], False)

    def test_a_static_server(self):
        self.play([STATIC], [WORKER], False)


ECHO = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
while data := connection.recv(65536):
    connection.sendall(data)
"""
DIAL = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for i in range(2000):
    message = b"%08d" % i * 100
    connection.sendall(message)
    got = b""
    while len(got) < len(message):
        got += connection.recv(800 - len(got))
    assert got == message
print("right", flush=True)
sys.stdin.readline()
"""


class Foreign(ProgramTest):
    """Programs that are built here, with tools that may be missing."""

    def build(self, world, tool, words, **environment):
        if not shutil.which(tool):
            raise unittest.SkipTest(f"no {tool} here")
        program = world.folder / "stranger"
        subprocess.run([tool, *words[:-1], "-o", str(program), str(words[-1])], check=True, timeout=240,
                       env={**os.environ, **environment})
        return program

    def start(self, world, words):
        return subprocess.Popen(world.words(True, words), env=world.environment(), text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def play(self, world, program):
        """Leat's end serves the stranger, then dials it: right bytes, by TCP, and `leat ss` says why."""
        with self.start(world, [sys.executable, "-c", ECHO]) as server:
            port = server.stdout.readline().strip()
            self.assertEqual(world.run(True, [program, "client", port]).strip(), "right")
            self.assertEqual(server.wait(20), 0)
        with self.start(world, [program, "server"]) as server:
            port = server.stdout.readline().strip()
            with self.start(world, [sys.executable, "-c", DIAL, port]) as client:
                self.assertEqual(client.stdout.readline().strip(), "right")
                shown = json.loads(subprocess.run([LEAT, "ss", "--json"], env=world.environment(), check=True,
                                                  capture_output=True, text=True).stdout)
                client.stdin.write("\n")
                client.stdin.close()
                self.assertEqual(client.wait(20), 0)
            self.assertEqual(server.wait(20), 0)
        self.assertEqual([one["mode"] for one in shown], ["TCP"], shown)
        self.assertIn("peer", shown[0]["reason"])
        self.judge(world, "one", 0, 0)

    def test_go(self):
        # With cgo the program is dynamic and loads the library, and still makes its system calls itself.
        for cgo in ("0", "1"):
            with self.subTest(cgo=cgo), World() as world:
                self.play(world, self.build(world, "go", ["build", GO_SOURCE], CGO_ENABLED=cgo,
                                            GOCACHE=str(world.folder / "cache"), GOFLAGS="-mod=mod"))

    def test_musl(self):
        for kind in ("-dynamic", "-static"):
            with self.subTest(kind=kind), World() as world:
                self.play(world, self.build(world, "musl-gcc", ["-O1", kind, C_SOURCE]))

    def test_musl_started_by_others(self):
        """Its loader would end it for our sake, so it is started without us, by exec and by spawn."""
        with World() as world:
            program = self.build(world, "musl-gcc", ["-O1", C_SOURCE])
            script = (f"import os, subprocess; s = subprocess.Popen(['{program}', 'server'], stdout=-1);"
                      f"os.execvp('{program}', ['c', 'client', s.stdout.readline().decode().strip()])")
            self.assertEqual(world.run(True, [sys.executable, "-c", script]).strip(), "right")
            self.assertEqual(world.run(True, ["sh", "-c", f"echo $LD_PRELOAD; {program} client 1 || echo ran"]
                                       ).split()[-1], "ran")


if __name__ == "__main__":
    main()
