"""Runs one of the examples and talks to it, for the tests beside this file."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import unittest

DEADLINE = 30  # seconds; for a machine that is busy, never a measure of anything


def receive(client, count):
    """Exactly `count` bytes."""
    data = b""
    while len(data) < count:
        more = client.recv(count - len(data))
        if not more:
            raise EOFError(f"the peer ended after {data!r}")
        data += more
    return data


def receive_to_end(client):
    return b"".join(iter(lambda: client.recv(65536), b""))


class ExampleTest(unittest.TestCase):
    """Starts `program` on a free port for each test; `arguments` follow the address."""

    program = ""
    arguments = ()

    def setUp(self):
        path = pathlib.Path(os.environ["EXAMPLES"], self.program)
        self.process = subprocess.Popen([path, "127.0.0.1:0", *self.arguments], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end)
        address = self.line_with("listening on ").split()[-1]
        self.port = int(address.rsplit(":", 1)[1])

    def end(self):
        self.process.kill()
        self.process.communicate()

    def line_with(self, text):
        """The next line of the program that contains `text`."""
        lines = []
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            line = self.process.stdout.readline()
            if text in line:
                return line.strip()
            if not line:
                break
            lines.append(line)
        self.process.kill()
        return self.fail(f"no line with {text!r} among {lines}; stderr: "
                         f"{self.process.stderr.read()}")

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)
        self.addCleanup(client.close)
        return client

    def stop(self):
        """Ends the program by SIGTERM; what it printed meanwhile."""
        self.process.send_signal(signal.SIGTERM)
        output, errors = self.process.communicate(timeout=DEADLINE)
        self.assertEqual(self.process.returncode, 0, errors)
        return output

    def refuses(self, arguments, message):
        """Run with these arguments, the program fails and says why."""
        path = pathlib.Path(os.environ["EXAMPLES"], self.program)
        ended = subprocess.run([path, *arguments], text=True, capture_output=True,
                               timeout=DEADLINE, check=False)
        self.assertNotEqual(ended.returncode, 0)
        self.assertIn(message, ended.stderr)


def main():
    """Runs the tests of the program. 77, which ctest shows as skipped, if all that ran passed and
    some did not run."""
    result = unittest.main(exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.skipped else 0)
