#!/usr/bin/env python3
"""A program that Leat cannot carry (static; Go, where a toolchain is) at one end of a connection, then at the other.

WORKER and STATIC_WORKER name the two builds of tests/preload/soak/worker.c.
"""

import os
import pathlib
import shutil
import subprocess
import unittest

from harness import ProgramTest, World, main

WORKER = os.environ.get("WORKER", "")
STATIC = os.environ.get("STATIC_WORKER", "")
GO_SOURCE = pathlib.Path(__file__).with_name("stranger.go")
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


class Go(ProgramTest):
    def setUp(self):
        if not shutil.which("go"):
            raise unittest.SkipTest("no Go here")

    def test_go_client_and_server(self):
        with World() as world:
            program = world.folder / "stranger"
            world.run(False, ["go", "build", "-o", program, GO_SOURCE], timeout=240)
            echo = "import socket,sys\ns=socket.create_server(('127.0.0.1',0));print(s.getsockname()[1],flush=True)\n" \
                   "c,_=s.accept()\nwhile d:=c.recv(65536): c.sendall(d)\n"
            dial = "import socket,sys\nc=socket.create_connection(('127.0.0.1',int(sys.argv[1])))\n" \
                   "for i in range(2000):\n m=b'%08d'%i*100\n c.sendall(m); g=b''\n" \
                   " while len(g)<len(m): g+=c.recv(800-len(g))\n assert g==m\nprint('right')\n"
            for server, client in ((["python3", "-c", echo], [program, "client"]),
                                   ([program, "server"], ["python3", "-c", dial])):
                with subprocess.Popen(world.words(True, server), env=world.environment(), text=True,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as first:
                    try:
                        port = first.stdout.readline().strip()
                        self.assertEqual(world.run(True, [*client, port]).strip(), "right")
                    finally:
                        first.kill()
            self.judge(world, "one", 0, 0)


if __name__ == "__main__":
    main()
