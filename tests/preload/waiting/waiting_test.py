#!/usr/bin/env python3
"""Waiting under Leat: the same observations as with plain TCP, and no wake-up lost.

WAKE_STRESS names the program; WAKE_SECONDS how long each pair of ways to wait is tried (default 1).
"""

import json
import os
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "programs"))
from harness import ProgramTest, World, main

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


@unittest.skipUnless(STRESS, "no WAKE_STRESS")
class LostWakeUps(ProgramTest):
    def test_every_message_is_answered(self):
        for echo, drive in (("level", "recv"), ("edge", "level"), ("once", "edge"), ("recv", "poll"),
                            ("recv", "recv"), ("poll", "once"), ("select", "level"), ("once", "select")):
            seed = random.randrange(1 << 30)
            spin = random.choice(("50", "off"))
            with self.subTest(echo=echo, drive=drive, seed=seed, spin=spin), World(LEAT_SPIN=spin) as world:
                world.run(True, [STRESS, echo, drive, SECONDS, seed])
                self.judge(world, "both", 20, 100_000)


if __name__ == "__main__":
    main()
