#!/usr/bin/env python3
"""CPython's own tests of sockets, plain and under `leat run`, compared test by test.

conformance.py [--only NAME[,NAME]] [--keep FOLDER]: LEAT names the program `leat`, PYTHON the interpreter (/usr/bin/python3),
which must have its test suite (Debian: libpython3.11-testsuite). Ends with 0 only if every test ends the same
way in both, and the counters show that shared memory was used where a suite has TCP connections.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).parent / "programs"))
from harness import World

PYTHON = os.environ.get("PYTHON", "/usr/bin/python3")
# Tests are short: connections earn their rings at once, or nothing would be tested.
EAGER = {"LEAT_EARN_CALLS": 1, "LEAT_EARN_BYTES": 1}
# Name, arguments, and whether it has TCP connections with Leat on both ends.
SUITES = [
    # Without the pattern test_socket waits for ever in a VSOCK test, with or without Leat.
    ("test_socket", ["-i", "*VSOCK*"], True),
    ("test_asyncio", [], True),
    ("test_selectors", [], False),
    # Its connections carry one message each way, and end before both have earned anything.
    ("test_epoll", [], False),
    ("test_poll", [], False),
    ("test_socketserver", ["-u", "network"], True),
    ("test_ssl", [], True),
    ("test_httplib", [], True),
    # Its data connections end as soon as they have begun.
    ("test_ftplib", [], False),
    ("test_smtplib", [], True),
    ("test_multiprocessing_fork", [], True),
    ("test_subprocess", [], False),
]
# The share that every test run has time for.
SHORT = {
    "test_socket": ["-m", "BasicTCPTest", "-m", "SmallBufferedFileObjectClassTestCase", "-m",
                    "NonBlockingTCPTests", "-m", "SendfileUsingSendTest", "-m", "TCPTimeoutTest",
                    "-m", "RecvmsgTCPTest", "-m", "RecvmsgIntoTCPTest", "-m", "SendmsgTCPTest",
                    "-m", "SendfileUsingSendfileTest", "-m", "NetworkConnection*Test*"],
    "test_epoll": [],
    "test_socketserver": ["-u", "network"],
    "test_ftplib": ["-m", "TestFTPClass"],
    "test_asyncio": ["-m", "test_start_server*", "-m", "test_sendfile*", "-m", "EPollEventLoopTests",
                     "-i", "*subprocess*", "-i", "*signal*"],
}


def outcomes(path):
    """The result of each test, by its name: passed, skipped or failed."""
    found = {}
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        result = ("failed" if kinds & {"failure", "error"} else
                  "skipped" if "skipped" in kinds or case.get("result") == "suppressed" else "passed")
        name = case.get("name")
        # A test with several entries (subtests) failed if one did.
        if found.get(name) != "failed":
            found[name] = result
    return found


class Run:
    """One suite, once."""

    def __init__(self, world, leat, suite, arguments, folder, limit):
        report = folder / f"{suite}-{'leat' if leat else 'plain'}.xml"
        log = report.with_suffix(".log")
        work = folder / "work"
        words = [PYTHON, "-m", "test", "-v", f"--junit-xml={report}", "--timeout", limit, *arguments, suite]
        began = time.monotonic()
        with log.open("w") as output:
            process = subprocess.Popen(
                world.words(leat, words), env={**world.environment(), "TMPDIR": str(work)}, cwd=work,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
            try:
                process.wait(limit * 3)
                self.hung = False
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()
                self.hung = True
        self.seconds = time.monotonic() - began
        self.log = log
        self.outcomes = outcomes(report) if report.exists() else {}

    def count(self, result):
        return sum(found == result for found in self.outcomes.values())


def compare(world, suite, arguments, has_tcp, folder, limit):
    """Prints a suite's line and its differences; how many complaints there are."""
    before = world.counters() if (world.folder / "leat").exists() else {}
    plain = Run(world, False, suite, arguments, folder, limit)
    leat = Run(world, True, suite, arguments, folder, limit)
    after = world.counters()
    shared, rings, seen = (after[key] - before.get(key, 0) for key in ("shared", "ring_bytes", "connections"))
    print(f"{suite:<26}{len(plain.outcomes):>5} tests: plain {plain.count('passed')} passed, "
          f"{plain.count('skipped')} skipped, {plain.count('failed')} failed, {plain.seconds:.0f} s; Leat "
          f"{leat.count('passed')}, {leat.count('skipped')}, {leat.count('failed')}, {leat.seconds:.0f} s; "
          f"{shared} of {seen} ends by shared memory, {rings:,} bytes", flush=True)
    complaints = []
    if not plain.outcomes:
        complaints.append(f"no results without Leat: see {plain.log}")
    for run, name in ((plain, "plain"), (leat, "Leat")):
        if run.hung:
            complaints.append(f"hung ({name}): see {run.log}")
    for name in sorted(plain.outcomes.keys() | leat.outcomes.keys()):
        pair = plain.outcomes.get(name, "not run"), leat.outcomes.get(name, "not run")
        if pair[0] != pair[1]:
            complaints.append(f"{name}: plain {pair[0]}, Leat {pair[1]}")
    if has_tcp and (shared == 0 or rings == 0):
        complaints.append("no connection went by shared memory")
    for complaint in complaints:
        print(f"  {complaint}", flush=True)
    return len(complaints)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", default="", help="suites, separated by commas")
    parser.add_argument("--short", action="store_true", help="the share that every test run has")
    parser.add_argument("--keep", metavar="FOLDER", help="logs and reports go there")
    options = parser.parse_args()
    probe = subprocess.run([PYTHON, "-c", "import test.test_socket"], capture_output=True, check=False)
    if probe.returncode != 0:
        print(f"{PYTHON} has no test suite (Debian: libpython3.11-testsuite)")
        sys.exit(77)
    folder = pathlib.Path(options.keep or tempfile.mkdtemp(prefix="leat-conformance-")).resolve()
    (folder / "work").mkdir(parents=True, exist_ok=True)
    only = [name for name in options.only.split(",") if name]
    complaints = 0
    with World(**EAGER) as world:
        for suite, arguments, has_tcp in SUITES:
            if (only and suite not in only) or (options.short and suite not in SHORT):
                continue
            extra = SHORT[suite] if options.short else arguments
            complaints += compare(world, suite, extra, has_tcp, folder, 60 if options.short else 300)
    if complaints:
        print(f"{complaints} complaints; logs are in {folder}")
        sys.exit(1)
    if not options.keep:
        shutil.rmtree(folder)
    print("Every test ends with Leat as it does without.")


if __name__ == "__main__":
    main()
