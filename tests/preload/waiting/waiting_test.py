#!/usr/bin/env python3
"""Waiting under Leat: the same observations as with plain TCP, and no wake-up lost.

WAKE_STRESS names the program; WAKE_SECONDS how long each pair of ways to wait is tried (default 1).
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "programs"))
from harness import ProgramTest, World, main

BURST = pathlib.Path(__file__).with_name("sleeping_set.py")
SCENARIOS = pathlib.Path(__file__).with_name("scenarios.py")
STRESS = os.environ.get("WAKE_STRESS", "")
SECONDS = os.environ.get("WAKE_SECONDS", "1")


class Matrix(ProgramTest):
    def test_tells_what_plain_tcp_tells(self):
        plain = None
        for spin in ("50", "off"):
            with self.subTest(spin=spin), World(LEAT_SPIN=spin) as world:
                plain = plain or json.loads(world.run(False, [sys.executable, SCENARIOS]))
                leat = json.loads(world.run(True, [sys.executable, SCENARIOS]))
                self.assertEqual(plain.keys(), leat.keys())
                for name, seen in plain.items():
                    with self.subTest(name=name):
                        self.assertEqual(seen, leat[name])
                self.judge(world, "both", 100, 10_000)


class OneDoorbell(ProgramTest):
    def test_wakes_a_set_for_all_its_connections(self):
        with World(LEAT_SPIN="off") as world:
            ends = subprocess.Popen(world.words(True, [sys.executable, BURST]), env=world.environment(),
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            try:
                self.assertEqual(ends.stdout.readline(), "burst\n")
                before = world.counters()
                ends.stdin.write("go\n")
                ends.stdin.flush()
                self.assertEqual(ends.stdout.readline(), "sent\n")
                after = world.counters()
                self.assertGreaterEqual(after["tx_messages"] - before["tx_messages"], 50)
                self.assertEqual(after["wakes_by_tcp"] - before["wakes_by_tcp"], 1)
                self.assertEqual(ends.communicate("on\n", timeout=30)[0], "50\n")
            finally:
                ends.kill()
                ends.wait()
            self.judge(world, "both", 100, 1000)


@unittest.skipUnless(STRESS, "no WAKE_STRESS")
class LostWakeUps(ProgramTest):
    def test_every_message_is_answered(self):
        for echo, drive in (("level", "recv"), ("edge", "level"), ("once", "edge"), ("recv", "poll"),
                            ("recv", "recv"), ("poll", "once"), ("select", "level"), ("once", "select"),
                            ("shared", "level"), ("churn", "edge")):
            seed = random.randrange(1 << 30)
            spin = random.choice(("50", "off"))
            with self.subTest(echo=echo, drive=drive, seed=seed, spin=spin), World(LEAT_SPIN=spin) as world:
                world.run(True, [STRESS, echo, drive, SECONDS, seed])
                self.judge(world, "both", 20, 100_000)


if __name__ == "__main__":
    main()
