#!/usr/bin/env python3
"""readme_code.py README FOLDER: writes each C++ program of the README to FOLDER/program_N.cc.

A program is a ```cpp block with a main(); the names are printed, separated by semicolons. A README
without one is an error: its first screen promises code that compiles.
"""

import pathlib
import re
import sys

readme, folder = map(pathlib.Path, sys.argv[1:])
blocks = re.findall(r"^```cpp\n(.*?)^```$", readme.read_text(encoding="utf-8"), re.M | re.S)
programs = [block for block in blocks if re.search(r"\bmain\(", block)]
if not programs:
    sys.exit(f"{readme} has no ```cpp block with a main()")
folder.mkdir(parents=True, exist_ok=True)
names = []
for number, program in enumerate(programs, 1):
    file = folder / f"program_{number}.cc"
    if not file.exists() or file.read_text(encoding="utf-8") != program:
        file.write_text(program, encoding="utf-8")
    names.append(file.stem)
print(";".join(names), end="")
