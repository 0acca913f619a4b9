"""Starts `leat` for the tests of this folder and watches over it.

LEAT names the program. Every wait has a deadline, so a test that hangs fails; a deadline is never
what a test passes by.
"""

import json
import os
import queue
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.request

LEAT = os.environ.get("LEAT", "leat")
# Sanitizers need memory of their own, so how much the program uses says nothing there.
SANITIZED = os.environ.get("LEAT_SANITIZE", "") != ""
DEADLINE = 50
# ctest shows a program that ends so as skipped (SKIP_RETURN_CODE). A regular expression would turn
# a failed program that skipped something into a skipped one.
SKIPPED = 77


def run_leat(*arguments, timeout=DEADLINE, **options):
    return subprocess.run([LEAT, *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout, check=False, **options)


def run_load(*arguments, **options):
    """leat load with --json: its exit status and report."""
    done = run_leat("load", "--json", *arguments, **options)
    if not done.stdout:
        raise AssertionError(f"no report, status {done.returncode}: {done.stderr}")
    return done.returncode, json.loads(done.stdout)


def await_true(condition, what, deadline=DEADLINE):
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline} s in vain: {what}")
        time.sleep(0.01)


def limit_descriptors(count):
    """For preexec_fn: soft and hard limit."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


class Server:
    """`leat serve --json ARGUMENTS`; every line that it prints must be a JSON object."""

    def __init__(self, *arguments, listen=("127.0.0.1:0",), preexec_fn=None):
        command = [LEAT, "serve", "--json"]
        for address in listen:
            command += ["--listen", str(address)]
        self.process = subprocess.Popen([*command, *map(str, arguments)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, preexec_fn=preexec_fn)
        self.events = []
        self._lines = queue.Queue()
        self._readers = [threading.Thread(target=self._read_lines, daemon=True),
                         threading.Thread(target=self._read_errors, daemon=True)]
        self.errors = ""
        for reader in self._readers:
            reader.start()
        self.started = self.await_event("listening")
        self.addresses = self.started["addresses"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE)
        for reader in self._readers:
            reader.join(DEADLINE)
        self.process.stdout.close()
        self.process.stderr.close()

    def _read_lines(self):
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _read_errors(self):
        self.errors = self.process.stderr.read()

    def await_event(self, name):
        """The next event of that name; all that come before it are kept in `events`."""
        while True:
            line = self._lines.get(timeout=DEADLINE)
            if line is None:
                self.process.wait(DEADLINE)
                self._readers[1].join(DEADLINE)
                raise AssertionError(f"ended without '{name}', status {self.process.returncode}, "
                                     f"events {self.events}, stderr: {self.errors}")
            event = json.loads(line)
            self.events.append(event)
            if event["event"] == name:
                return event

    def stop(self, status=0):
        """SIGTERM; the report, after checking the exit status."""
        self.process.send_signal(signal.SIGTERM)
        report = self.await_event("stopped")
        ended = self.process.wait(DEADLINE)
        if ended != status:
            raise AssertionError(f"exit status {ended}, not {status}: {self.errors}")
        return report

    @property
    def port(self):
        return int(self.addresses[0].rsplit(":", 1)[1])

    @property
    def tcp(self):
        return f"tcp://{self.addresses[0]}"

    @property
    def http(self):
        return f"http://{self.addresses[0]}"

    def connect(self, timeout=DEADLINE, receive_buffer=None):
        client = socket.socket()
        if receive_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(timeout)
        client.connect(("127.0.0.1", self.port))
        return client

    def counters(self):
        """Of a server of files, while it runs."""
        with urllib.request.urlopen(f"{self.http}/.leat/counters", timeout=DEADLINE) as answer:
            return json.load(answer)

    def private_memory(self):
        """Bytes that no other process shares: the heap and the stacks, not the program's code."""
        with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
        return int(fields["Pss_Anon"].split()[0]) * 1024


def receive_all(client):
    """Everything until the end of the stream."""
    pieces = []
    while piece := client.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def receive_exactly(client, count):
    data = b""
    while len(data) < count:
        piece = client.recv(count - len(data))
        if not piece:
            raise AssertionError(f"the stream ended after {len(data)} of {count} bytes")
        data += piece
    return data


def send_until_blocked(client, most, patience=1):
    """Sends until the peer takes nothing for so many seconds; how many bytes it took."""
    client.settimeout(patience)
    sent = 0
    piece = bytes(256 * 1024)
    try:
        while sent < most:
            sent += client.send(piece)
    except TimeoutError:
        pass
    return sent


def main():
    """Runs the tests of the program: SKIPPED if all that ran passed and some did not run."""
    result = unittest.main(verbosity=2, exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if result.skipped else 0)
