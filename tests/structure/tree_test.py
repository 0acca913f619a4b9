#!/usr/bin/env python3
"""Each rule of tree.py lets a good tree pass and names a breach."""

import pathlib
import tempfile
import unittest

import tree

GOOD = {
    "leat/base/a.h": "// Public: a\n#pragma once\n",
    "leat/base/internal/b.h": "// Internal: b\n#pragma once\n",
    "leat/base/a.cc": '#include "leat/base/a.h"\n',
    "leat/base/CMakeLists.txt": "target_sources(leat PRIVATE a.cc)\n",
    "leat/stack/s.h": '// Public: s\n#include "leat/device/d.h"\n',
    "leat/device/d.h": '// Public: d\n#include "leat/base/a.h"\n',
    "leat/reactor/r.h": '// Public: r\n#include <leat/base/a.h>\n',
}


class TreeTest(unittest.TestCase):
    def breaches(self, rule, changed):
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**GOOD, **changed}.items():
                file = pathlib.Path(root, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            return list(tree.RULES[rule](tree.Tree(root)))

    def expect(self, rule, path, text, *words):
        found = self.breaches(rule, {path: text})
        self.assertEqual(len(found), 1, found)
        for word in (path, *words):
            self.assertIn(word, found[0])

    def test_a_good_tree_passes(self):
        for rule in tree.RULES:
            self.assertEqual(self.breaches(rule, {}), [], rule)

    def test_a_layer_below(self):
        self.expect("layering", "leat/base/a.h", '// Public: a\n#include "leat/reactor/r.h"\n',
                    "below leat/base")

    def test_an_unknown_folder(self):
        self.expect("layering", "leat/misc/m.h", "// Public: m\n", "no layer")

    def test_an_app_in_an_app(self):
        self.expect("layering", "apps/preload/p.cc", '#include "apps/leat/x.h"\n', "another app")

    def test_an_internal_header_in_an_example(self):
        self.expect("layering", "examples/e.cc", '#include "leat/base/internal/b.h"\n', "user")

    def test_a_pure_core_that_reaches_the_reactor(self):
        self.expect("purity", "leat/stack/s.h", '// Public: s\n#include "leat/reactor/r.h"\n',
                    "leat/reactor/r.h")

    def test_a_pure_core_that_reaches_the_reactor_through_another(self):
        found = self.breaches(
            "purity", {"leat/device/d.h": '// Public: d\n#include "leat/reactor/r.h"\n'})
        self.assertEqual(len(found), 1, found)
        self.assertIn("leat/stack/s.h: a pure core, reaches leat/reactor/r.h", found[0])

    def test_a_state_machine_that_talks_to_the_kernel(self):
        self.expect("purity", "leat/smc/sender.h", "// Public: s\n#include <sys/socket.h>\n",
                    "sys/socket.h")
        self.expect("purity", "leat/smc/sender.h", '// Public: s\n#include "leat/smc/link.h"\n',
                    "leat/smc/link.h")

    def test_first_lines(self):
        for text in ["#pragma once\n", "// Internal: a\n", "// Public: \n", ""]:
            self.expect("first_lines", "leat/base/a.h", text)
        self.expect("first_lines", "leat/base/internal/b.h", "// Public: b\n")
        self.expect("first_lines", "tests/base/t.h", "// Public: t\n")

    def test_length(self):
        self.expect("length", "leat/base/a.cc", "//\n" * 451, "451")
        self.assertEqual(self.breaches("length", {"leat/base/a.cc": "//\n" * 450}), [])
        reason = "// Over 450 lines: one table, generated.\n"
        self.assertEqual(self.breaches("length", {"leat/base/a.cc": reason + "//\n" * 450}), [])

    def test_marks(self):
        self.expect("marks", "leat/base/a.cc", "// " + "TO" + "DO later\n", ":1:")

    def test_orphans(self):
        self.expect("orphans", "leat/base/lost.cc", "", "does not build it")
        self.expect("orphans", "leat/base/internal/a.cc", "", "does not build it")

    def test_numbered_rules(self):
        page = "docs/event-loop.md"
        good = {page: "1. **Wait**\n\n- **W1** Wakes.\n\n`Step1Waits`, `W1Wakes`, `L`, `loop()`\n",
                "tests/reactor/CMakeLists.txt": "l_test.cc",
                "tests/reactor/l_test.cc": "TEST(L, Step1Waits) {\nTEST_F(\n    L, W1Wakes) {\n"
                                           "TEST(L, Other) {\n"}
        self.assertEqual(self.breaches("numbered_rules", good), [])
        for path, text, words in [
                (page, good[page] + "- **W2** Quits.\n", "no test holds W2"),
                (page, good[page] + "`W1Gone`", "no test W1Gone"),
                ("tests/reactor/l_test.cc", good["tests/reactor/l_test.cc"] + "TEST(L, W1More) {\n",
                 "does not name W1More"),
                ("tests/reactor/l_test.cc", good["tests/reactor/l_test.cc"] + "TEST(L, Z7Lost) {\n",
                 "has no Z7")]:
            found = self.breaches("numbered_rules", {**good, path: text})
            self.assertEqual(len(found), 1, found)
            self.assertIn(words, found[0])


if __name__ == "__main__":
    unittest.main()
