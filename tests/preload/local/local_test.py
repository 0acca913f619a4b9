#!/usr/bin/env python3
"""Programs with both ends of a connection in one process: they must print the same under Leat.

PROGRAMS names them, with colons between.
"""

import os
import unittest

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "programs"))
from harness import ProgramTest, World, main

PROGRAMS = os.environ.get("PROGRAMS", "").split(":")


class Local(ProgramTest):
    def check(self, program):
        seen = {}
        for leat in (False, True):
            with World() as world:
                seen[leat] = world.run(leat, [program]).splitlines()
                shared = world.counters()["shared"] if leat else 0
        self.assertEqual(seen[True], seen[False])
        self.assertGreater(shared, 1)


for path in filter(None, PROGRAMS):
    setattr(Local, "test_" + os.path.basename(path), lambda self, path=path: self.check(path))

if __name__ == "__main__":
    main()
