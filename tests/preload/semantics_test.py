#!/usr/bin/env python3
"""Each scenario of scenarios.py, plain and preloaded: both ends must see the same.

Arguments: libleat_preload.so, a broker (a command that serves $LEAT_DIR until it
is killed), the static reader, the reader by io_uring; then names of scenarios (all). Skips nothing: a preloaded run whose
ends did not share memory fails.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARY, BROKER, READER, URING_READER = sys.argv[1:5]
PATIENCE = 60


def run(name, environment):
    """Both ends' output, and how often one of them said that it shares memory."""
    command = [sys.executable, os.path.join(HERE, "scenarios.py"), name]
    server = subprocess.Popen(command + ["server"], env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    port = server.stdout.readline().decode().strip()
    client = subprocess.Popen(command + ["client", port], env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    seen = []
    errors = []
    shared = 0
    try:
        for end in (client, server):
            out, error = end.communicate(timeout=PATIENCE)
            seen.append((out.decode(), end.returncode))
            lines = error.decode().splitlines()
            shared += any("shares memory" in line for line in lines)
            errors += [line for line in lines if not line.startswith("leat[")]
    finally:
        for end in (client, server):
            end.kill()
            end.wait()
    return seen, errors, shared


class Semantics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.plain = dict(os.environ, STATIC_READER=READER, URING_READER=URING_READER,
                         PYTHONDONTWRITEBYTECODE="1")
        cls.plain.pop("LD_PRELOAD", None)
        cls.preloaded = dict(cls.plain, LEAT_DIR=cls.directory.name, LEAT_DEBUG="1",
                             LD_PRELOAD=LIBRARY)
        cls.broker = subprocess.Popen(BROKER.split(),
                                      env=dict(cls.plain, LEAT_DIR=cls.directory.name),
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            if os.path.exists(os.path.join(cls.directory.name, "broker")):
                break
            time.sleep(0.02)

    @classmethod
    def tearDownClass(cls):
        cls.broker.send_signal(signal.SIGTERM)
        cls.broker.wait()
        cls.directory.cleanup()

    def check(self, name):
        wanted, errors, _ = run(name, self.plain)
        self.assertEqual(errors, [])
        seen, errors, shared = run(name, self.preloaded)
        self.assertEqual(errors, [])
        self.assertEqual(seen, wanted)
        self.assertEqual(shared, 2, "ends that share memory")


def add(name):
    setattr(Semantics, "test_" + name, lambda self: self.check(name))


sys.path.insert(0, HERE)
import scenarios  # noqa: E402  (after the arguments are known)

for one in sys.argv[5:] or scenarios.SCENARIOS:
    add(one)

if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
