#!/usr/bin/env python3
"""The rules of the house, checked on the files: tree.py RULE ROOT prints each breach and fails.

The order of the layers and the pure cores are those of docs/architecture.md.
"""

import pathlib
import re
import sys

# A folder may include itself and the folders before it. Apps come last: nothing includes them.
LAYERS = [
    "leat/base", "leat/wire", "leat/steering", "leat/reactor", "leat/sys", "leat/device",
    "leat/virtio", "leat/stack", "leat/smc", "leat/net", "leat/http", "leat/host",
    "apps/leat", "apps/preload", "apps/web",
]
# Pure cores reach neither the event loop nor the kernel's side doors, not even through others.
PURE = ["leat/wire", "leat/steering", "leat/stack"]
IMPURE = ["leat/reactor", "leat/sys"]
# The state machine of leat/smc, among files that do talk to the kernel.
PURE_FILES = ["leat/smc/" + name + ".h"
              for name in ["ism_device", "receiver", "segment", "sender", "spin_budget"]]
KERNEL = re.compile(r"^\s*#\s*include\s*<((?:sys|linux|netinet)/[^>]*|unistd.h|fcntl.h|time.h|chrono)>",
                    re.MULTILINE)

FOLDERS = [".ci", "apps", "bench", "bpf", "cmake", "docs", "examples", "fuzz", "leat", "packaging",
           "scripts", "tests"]
CODE = {".h", ".cc", ".c", ".py", ".sh", ".js", ".cmake", ".txt"}
LONGEST = 450
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]((?:leat|apps)/[^">]+)[">]', re.MULTILINE)
NUMBERED = r"((?:Step|[A-Z])\d+)[A-Z]\w*"
MARKS = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")


class Tree:
    """The project's own files below one root; paths are relative and use slashes."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        files = [f for folder in FOLDERS for f in (self.root / folder).rglob("*")]
        files += [f for f in self.root.iterdir() if not f.name.startswith(".")]
        self.paths = sorted(f.relative_to(self.root).as_posix() for f in files
                            if f.is_file() and "__pycache__" not in f.parts)

    def text(self, path):
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def having(self, *suffixes):
        return [p for p in self.paths if p.endswith(suffixes)]

    def includes(self, path):
        return INCLUDE.findall(self.text(path))


def layer_of(path):
    return next((layer for layer in LAYERS if path.startswith(layer + "/")), None)


def layering(tree):
    """A layer includes only the layers above it in the architecture's table."""
    for path in tree.having(".h", ".cc", ".c"):
        own = layer_of(path)
        if own is None:
            if path.startswith(("leat/", "apps/")):
                yield f"{path}: its folder is no layer of the architecture"
            if path.startswith("examples/"):
                yield from (f"{path}: an example is a user, and users have no {i}"
                            for i in tree.includes(path) if "/internal/" in i)
            continue
        for included in tree.includes(path):
            target = layer_of(included)
            if target is None:
                yield f"{path}: includes {included}, which is in no layer"
            elif LAYERS.index(target) > LAYERS.index(own):
                yield f"{path}: includes {included}, which lies below {own}"
            elif target.startswith("apps/") and target != own:
                yield f"{path}: includes {included}; nothing includes another app"


def purity(tree):
    """Pure cores include neither the reactor nor sys, directly or through another header."""
    for path in tree.having(".h", ".cc", ".c"):
        if layer_of(path) not in PURE and path not in PURE_FILES:
            continue
        if path in PURE_FILES:
            yield from (f"{path}: a pure core, includes <{header}>"
                        for header in KERNEL.findall(tree.text(path)))
            yield from (f"{path}: a pure core, includes {i}, which is none"
                        for i in tree.includes(path)
                        if i not in PURE_FILES and layer_of(i) == "leat/smc")
        seen, queue = set(), [path]
        while queue:
            current = queue.pop()
            for included in tree.includes(current):
                if layer_of(included) in IMPURE:
                    yield f"{path}: a pure core, reaches {included} by {current}"
                elif included not in seen and (tree.root / included).exists():
                    seen.add(included)
                    queue.append(included)


def first_lines(tree):
    """Every header's first line says for whom it is."""
    for path in tree.having(".h"):
        public = path.startswith("leat/") and "/internal/" not in path
        expected = "// Public: " if public else "// Internal: "
        first = tree.text(path).split("\n", 1)[0]
        if not first.startswith(expected) or len(first.strip()) <= len(expected):
            yield f"{path}:1: the first line must be '{expected}<what>', is: {first}"


def length(tree):
    """No file over 450 lines without a reason ('Over 450 lines: ...') at its top."""
    for path in tree.paths:
        if pathlib.PurePath(path).suffix not in CODE and path != "dev":
            continue
        lines = tree.text(path).splitlines()
        if len(lines) > LONGEST and not any("Over 450 lines: " in line for line in lines[:10]):
            yield f"{path}: {len(lines)} lines, and no reason at its top"


def marks(tree):
    """Nothing is left for later inside the code."""
    for path in tree.paths:
        if pathlib.PurePath(path).suffix in CODE | {".md", ".in"} or path == "dev":
            for number, line in enumerate(tree.text(path).splitlines(), 1):
                if MARKS.search(line):
                    yield f"{path}:{number}: unfinished: {line.strip()}"


def orphans(tree):
    """Every source is named by the CMakeLists.txt of its folder, or of the nearest one above."""
    for path in tree.having(".cc"):
        folder = pathlib.PurePath(path).parent
        while not (tree.root / folder / "CMakeLists.txt").exists():
            folder = folder.parent
        name = pathlib.PurePath(path).relative_to(folder).as_posix()
        stem = re.escape(name.removesuffix(".cc").removesuffix("_fuzz"))
        # A list of one library's servers names them by their kind: ${kind}_leat.cc.
        kind, _, rest = name.removesuffix(".cc").partition("_")
        listed = re.escape("${kind}_" + rest + ".cc")
        text = tree.text(f"{folder}/CMakeLists.txt")
        by_kind = re.search(rf"foreach\(kind IN ITEMS [^)]*\b{kind}\b[^)]*\)[^()]*\([^()]*{listed}", text)
        if not by_kind and not re.search(rf"(?<![\w/-]){stem}(_fuzz)?(?![\w-])", text):
            yield f"{path}: {folder}/CMakeLists.txt does not build it"


def numbered_rules(tree):
    """Each number of docs/event-loop.md has a test that carries it, and the page names them all."""
    page = "docs/event-loop.md"
    text = tree.text(page) if page in tree.paths else ""
    numbers = {"Step" + n for n in re.findall(r"^(\d+)\. \*\*", text, re.MULTILINE)}
    numbers |= set(re.findall(r"^- \*\*([A-Z]\d+)\*\* ", text, re.MULTILINE))
    named = {test: number for test, number in re.findall(rf"`({NUMBERED})`", text)}
    tests = {}
    for path in tree.having("_test.cc"):
        if path.startswith("tests/reactor/"):
            found = re.findall(rf"^TEST\w*\(\s*\w+,\s*({NUMBERED})\)", tree.text(path), re.MULTILINE)
            tests.update({test: (path, number) for test, number in found})
    yield from (f"{page}: no test holds {n}" for n in sorted(numbers - set(named.values())))
    yield from (f"{page}: there is no test {t}" for t in sorted(named.keys() - tests.keys()))
    for test, (path, number) in tests.items():
        if number not in numbers:
            yield f"{path}: {test}, but {page} has no {number}"
        elif test not in named:
            yield f"{path}: {page} does not name {test}"


RULES = {rule.__name__: rule for rule in [layering, purity, first_lines, length, marks, orphans,
                                          numbered_rules]}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in RULES:
        sys.exit(f"usage: tree.py {'|'.join(RULES)} ROOT")
    tree = Tree(sys.argv[2])
    if not tree.having(".cc"):
        sys.exit(f"no sources below {tree.root}")
    breaches = list(RULES[sys.argv[1]](tree))
    print("\n".join(breaches) or "no breach")
    sys.exit(bool(breaches))


if __name__ == "__main__":
    main()
