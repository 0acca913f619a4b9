"""Restarts, changing numbers of loops, and processes that join and leave: no client notices.

The short form of churn.py, which has the scenarios.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import churn
from harness import (DEADLINE, LEAT, Server, await_true, main, receive_exactly, run_leat)

HAS_NAMESPACE = churn.enter_namespace()


class UnderLoad(unittest.TestCase):
    """With the remedies nobody notices; without them somebody does, so the test can see it."""

    def measure(self, change, *options):
        scenario = churn.Churn(address="127.0.0.1:0", pause=0.02, connections=16)
        try:
            options = [scenario.path if option == "PATH" else option for option in options]
            result = scenario.measure(change, *options)
        finally:
            scenario.close()
        self.assertGreater(result["requests"], 0)
        return result

    def expect_no_loss(self, result):
        self.assertEqual(result["failed"], 0, result)
        if HAS_NAMESPACE:  # Elsewhere others count too.
            self.assertEqual(result["kernel"]["TcpOutRsts"], 0, result)

    def test_takeovers(self):
        self.expect_no_loss(self.measure(churn.takeovers(6, "--loops", 2),
                                         "--loops", 2, "--takeover", "PATH"))

    def test_restarts_without_takeover_lose(self):
        result = self.measure(churn.stop_then_start(3, "--loops", 2), "--loops", 2)
        self.assertGreater(result["failed"], 0)

    def test_changes_of_the_number_of_loops(self):
        self.expect_no_loss(self.measure(churn.resizes(30), *churn.RESIZABLE))

    def test_processes_that_join_and_leave(self):
        if not (HAS_NAMESPACE and churn.set_migration(True)):
            self.skipTest("needs net.ipv4.tcp_migrate_req of a namespace of its own")
        try:
            self.expect_no_loss(self.measure(churn.start_then_stop(6, "--loops", 2),
                                             "--loops", 2, "--share-port"))
        finally:
            churn.set_migration(False)


class Takeover(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="leat-restart-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(self.folder, "takeover.sock")

    def refused(self, *arguments):
        """The one line on stderr of a server that does not start."""
        done = run_leat("serve", "--json", "--echo", *arguments)
        self.assertEqual(done.returncode, 1, done)
        return done.stderr.splitlines()[-1]

    def check_serving(self, server):
        with server.connect() as client:
            client.sendall(b"ping")
            self.assertEqual(receive_exactly(client, 4), b"ping")

    def test_the_successor_has_all_listeners_and_may_add_some(self):
        unix = os.path.join(self.folder, "u.sock")
        with Server("--echo", "--takeover", self.path,
                    listen=("127.0.0.1:0", f"unix:{unix}")) as old:
            with Server("--echo", "--takeover", self.path, listen=()) as new:
                new.await_event("taken_over")
                self.assertEqual(new.addresses, old.addresses)
                self.assertEqual(new.events[0]["event"], "inherited")
                old.await_event("handed_over")
                old.await_event("stopped")
                self.assertEqual(old.process.wait(DEADLINE), 0)
                self.check_serving(new)
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(unix)
                with Server("--echo", "--takeover", self.path,
                            listen=(new.addresses[0], "127.0.0.1:0")) as third:
                    third.await_event("taken_over")
                    unused = next(e for e in third.events if e["event"] == "unused")
                    self.assertEqual(unused["addresses"], [f"unix:{unix}"])
                    self.assertEqual(third.addresses[0], new.addresses[0])
                    self.check_serving(third)
                    third.stop()
        self.assertFalse(os.path.exists(self.path))

    def test_a_successor_that_is_killed_before_it_is_ready(self):
        with Server("--echo", "--takeover", self.path) as server:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
                asking.connect(self.path)
                asking.send(b"LEAT" + bytes((1, 0, 1, 0)) + bytes(8))
                server.await_event("takeover_requested")
                busy = self.refused("--takeover", self.path)
                self.assertIn("another process is taking over", busy)
            self.assertIn("the other process has gone",
                          server.await_event("takeover_failed")["message"] +
                          server.await_event("takeover_failed")["message"])
            self.check_serving(server)
            # One that cannot bind what it wants besides ends before it is ready, too.
            with socket.create_server(("127.0.0.1", 0)) as taken:
                self.refused("--takeover", self.path, "--listen", server.addresses[0],
                             "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
            server.await_event("takeover_failed")
            self.check_serving(server)
            server.stop()

    def test_garbage(self):
        with Server("--echo", "--takeover", self.path) as server:
            for packet in (b"x", b"LEAT" + bytes((9, 0, 1, 0)) + bytes(8), bytes(60000)):
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
                    peer.connect(self.path)
                    peer.send(packet)
                    server.await_event("takeover_failed")
            self.check_serving(server)
            server.stop()

    def test_paths_that_cannot_be_used(self):
        with open(self.path, "w", encoding="ascii"):
            pass
        self.assertIn("no socket", self.refused("--takeover", self.path, "--listen", "127.0.0.1:0"))
        self.assertTrue(os.path.exists(self.path))
        missing = os.path.join(self.folder, "no", "such", "folder")
        self.assertIn("No such file", self.refused("--takeover", missing,
                                                   "--listen", "127.0.0.1:0"))
        with socket.socket(socket.AF_UNIX) as other_kind:
            other = os.path.join(self.folder, "stream.sock")
            other_kind.bind(other)
            other_kind.listen()
            self.assertIn("wrong type", self.refused("--takeover", other))

    @unittest.skipIf(os.geteuid() != 0, "needs to become another user")
    def test_another_user(self):
        for path in (self.path, "@" + self.path):
            with Server("--echo", "--takeover", path) as server:
                os.chmod(self.folder, 0o755)
                refused = run_leat("serve", "--echo", "--takeover", path, user=65534)
                self.assertEqual(refused.returncode, 1)
                expected = "uid 0, this one to uid 65534" if path[0] == "@" else "Permission denied"
                self.assertIn(expected, refused.stderr)
                self.check_serving(server)
                server.stop()

    def test_a_path_left_over_is_used_again(self):
        with Server("--echo", "--takeover", self.path) as killed:
            killed.process.kill()
            killed.process.wait(DEADLINE)
            self.assertTrue(os.path.exists(self.path))
            with Server("--echo", "--takeover", self.path) as server:
                self.check_serving(server)


class Systemd(unittest.TestCase):
    """Socket activation, by a shell that does what systemd does."""

    def start(self, sockets, *arguments, names=""):
        script = ('exec env LISTEN_PID=$$ LISTEN_FDS=$COUNT LISTEN_FDNAMES=$NAMES "$@"')
        saved = []
        for i, one in enumerate(sockets):
            saved.append((3 + i, one.fileno()))

        def place():
            # Above first: a target may be another's source.
            copies = [(target, os.dup2(source, 100 + target)) for target, source in saved]
            for target, source in copies:
                os.dup2(source, target, inheritable=True)
        return subprocess.Popen(["sh", "-c", script, "sh", LEAT, "serve", "--json", *arguments],
                                preexec_fn=place, close_fds=False, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**os.environ, "COUNT": str(len(sockets)), "NAMES": names})

    def test_serves_what_is_passed(self):
        with tempfile.TemporaryDirectory() as folder, \
                socket.create_server(("127.0.0.1", 0)) as tcp, \
                socket.socket(socket.AF_UNIX) as unix:
            path = os.path.join(folder, "s.sock")
            unix.bind(path)
            unix.listen()
            process = self.start((tcp, unix), "--echo", "--loops", "3", names="web:local")
            with process:
                for connect_to in (tcp.getsockname(), path):
                    family = socket.AF_INET if isinstance(connect_to, tuple) else socket.AF_UNIX
                    with socket.socket(family) as client:
                        client.settimeout(DEADLINE)
                        client.connect(connect_to)
                        client.sendall(b"ping")
                        self.assertEqual(receive_exactly(client, 4), b"ping")
                process.send_signal(signal.SIGTERM)
                out, _ = process.communicate(timeout=DEADLINE)
                self.assertIn('"from":"systemd"', out.replace(" ", ""))
                self.assertEqual(process.returncode, 0)
            self.assertTrue(os.path.exists(path), "the socket is systemd's")

    def test_what_is_no_listener(self):
        with socket.socket() as unbound:
            process = self.start((unbound,), "--echo", names="odd")
            with process:
                _, errors = process.communicate(timeout=DEADLINE)
            self.assertEqual(process.returncode, 1)
            self.assertIn("LISTEN_FDS, 'odd'", errors)
            self.assertIn("neither a listening stream socket nor a UDP socket", errors)


class Loops(unittest.TestCase):
    def test_signals_change_their_number(self):
        with Server("--echo", "--loops", 2, "--max-loops", 3) as server:
            for step, event, loops in ((signal.SIGTTIN, "resized", 3),
                                       (signal.SIGTTIN, "resize_failed", 3),
                                       (signal.SIGTTOU, "resized", 2),
                                       (signal.SIGTTOU, "resized", 1),
                                       (signal.SIGTTOU, "resize_failed", 1)):
                server.process.send_signal(step)
                self.assertEqual(server.await_event(event)["loops"], loops)
                with server.connect() as client:
                    client.sendall(b"ping")
                    self.assertEqual(receive_exactly(client, 4), b"ping")
            server.stop()


if __name__ == "__main__":
    main()
