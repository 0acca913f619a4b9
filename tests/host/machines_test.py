"""The constructed machines in machines/ are what make_machines.py makes, and all say what they are."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

FOLDER = pathlib.Path(__file__).parent / "machines"


class Machines(unittest.TestCase):
    def test_constructed_ones_are_made_by_the_script(self):
        with tempfile.TemporaryDirectory() as made:
            subprocess.run([sys.executable, "-B", FOLDER / "make_machines.py", made], check=True)
            names = sorted(path.name for path in pathlib.Path(made).iterdir())
            self.assertGreaterEqual(len(names), 5)
            for name in names:
                self.assertEqual((pathlib.Path(made) / name).read_text(), (FOLDER / name).read_text(), name)

    def test_each_says_where_it_comes_from(self):
        for path in FOLDER.glob("*.json"):
            label = json.loads(path.read_text())["label"]
            self.assertRegex(label, r"^(constructed: .* after |recorded on )", path.name)


if __name__ == "__main__":
    unittest.main()
