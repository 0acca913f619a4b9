#!/usr/bin/env python3
"""The preload library is a good guest: it exports what exports.map lists, needs the C library and
no other, allocates nothing, throws nothing, and its thread-local storage is in the initial block.

Arguments: libleat_preload.so, exports.map.
"""

import re
import subprocess
import sys
import unittest

LIBRARY, EXPORTS = sys.argv[1:3]


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Symbols(unittest.TestCase):
    def test_exports_what_it_interposes(self):
        with open(EXPORTS, encoding="utf-8") as file:
            text = re.sub(r"#.*", "", file.read())
        listed = set(re.findall(r"(\w+);", text.split("global:")[1].split("local:")[0]))
        lines = output("nm", "-D", "--defined-only", LIBRARY).splitlines()
        self.assertEqual({line.split()[-1].split("@")[0] for line in lines}, listed)

    def test_neither_allocates_nor_throws(self):
        lines = output("nm", "-D", "--undefined-only", LIBRARY).splitlines()
        names = {line.split()[-1].split("@")[0] for line in lines}
        for name in names:
            self.assertNotRegex(name, r"^(malloc|calloc|realloc|free|posix_memalign|aligned_alloc)$")
            self.assertNotRegex(name, r"^_Z|^__cxa_(?!finalize)|^_Unwind|pthread_key|^abort$")

    def test_needs_the_c_library_alone(self):
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-d", LIBRARY))
        self.assertTrue(set(needed) <= {"libc.so.6", "libdl.so.2", "ld-linux-x86-64.so.2",
                                        "ld-linux-aarch64.so.1"}, needed)

    def test_storage_of_threads_is_in_the_initial_block(self):
        relocations = output("readelf", "-r", "-W", LIBRARY)
        self.assertNotRegex(relocations, r"DTPMOD|TLSDESC")
        self.assertIn("STATIC_TLS", output("readelf", "-d", LIBRARY))

    def test_its_text_is_shared(self):
        self.assertNotIn("TEXTREL", output("readelf", "-d", LIBRARY))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
