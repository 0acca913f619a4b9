"""Where `leat serve` listens, and who is in the way."""

import os
import socket
import tempfile
import unittest
from unittest import mock

from harness import Server, main, receive_exactly, run_leat, run_load

NOBODY = 65534


def echo(address_family, address, text=b"hello"):
    with socket.socket(address_family) as client:
        client.settimeout(20)
        client.connect(address)
        client.sendall(text)
        return receive_exactly(client, len(text))


class Listen(unittest.TestCase):
    def test_tells_the_real_port(self):
        with Server("--echo") as server:
            self.assertNotEqual(server.port, 0)
            self.assertEqual(server.started["pid"], server.process.pid)
            self.assertEqual(echo(socket.AF_INET, ("127.0.0.1", server.port)), b"hello")
            server.stop()

    def test_several_addresses(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "echo.sock")
            name = f"leat-test-{os.getpid()}"
            listen = ("127.0.0.1:0", "[::1]:0", f"unix:{path}", f"unix:@{name}")
            with Server("--echo", listen=listen) as server:
                self.assertEqual(len(server.addresses), 4)
                self.assertEqual(echo(socket.AF_INET, ("127.0.0.1", server.port)), b"hello")
                six = int(server.addresses[1].rsplit(":", 1)[1])
                self.assertEqual(echo(socket.AF_INET6, ("::1", six)), b"hello")
                self.assertEqual(echo(socket.AF_UNIX, path), b"hello")
                self.assertEqual(echo(socket.AF_UNIX, f"\0{name}"), b"hello")
                report = server.stop()
            self.assertEqual(report["counters"]["accepted"], 4)

    def test_unix_path_can_be_taken_again_after_a_kill(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "echo.sock")
            with Server("--echo", listen=(f"unix:{path}",)):
                pass  # killed: the file stays
            with Server("--echo", listen=(f"unix:{path}",)) as server:
                self.assertEqual(echo(socket.AF_UNIX, path), b"hello")
                status, report = run_load(f"unix:{path}", "--requests", 100, "--connections", 3)
                self.assertEqual((status, report["requests"]), (0, 100), report)
                server.stop()

    def test_port_can_be_taken_again_at_once_after_a_kill(self):
        # Over io_uring the kernel lets go of the listener after the process is gone.
        port = 0
        for _ in range(20):
            with Server("--echo", "--loops", 2, listen=(f"127.0.0.1:{port}",)) as server:
                port = server.port
                status, report = run_load(server.tcp, "--requests", 50, "--connections", 50)
                self.assertEqual((status, report["requests"]), (0, 50), report)

    def test_every_balance_serves(self):
        for balance in ("round_robin", "kernel_hash", "shared", "least_connections", "standby"):
            with Server("--echo", "--loops", 3, "--balance", balance) as server:
                status, report = run_load(server.tcp, "--requests", 300, "--connections", 30)
                self.assertEqual((status, report["requests"]), (0, 300), balance)
                counters = server.stop()["counters"]
            self.assertEqual(counters["accepted"], 30)
            by_loop = [loop["accepted"] for loop in counters["loops"]]
            self.assertEqual(sum(by_loop), 30)
            if balance == "round_robin":
                self.assertEqual(by_loop, [10, 10, 10])

    def test_says_which_poller_it_uses(self):
        for wanted, names in (("epoll", ["epoll"]), ("", ["epoll", "io_uring"])):
            with mock.patch.dict(os.environ, LEAT_POLLER=wanted), Server("--echo") as server:
                self.assertIn(server.started["poller"], names)
                rings = [fd for fd in os.listdir(f"/proc/{server.process.pid}/fd")
                         if "io_uring" in os.readlink(f"/proc/{server.process.pid}/fd/{fd}")]
                self.assertEqual(server.started["poller"] == "io_uring", rings != [])
                server.stop()

    def test_loops_pinned_to_cpus(self):
        first = min(os.sched_getaffinity(0))
        with Server("--echo", "--loops", f"{first}-{first}") as server:
            pid = server.process.pid
            allowed = [os.sched_getaffinity(int(task)) for task in os.listdir(f"/proc/{pid}/task")]
            self.assertIn({first}, allowed)
            self.assertEqual(server.started["cpus"], str(first))
            server.stop()

    def refused(self, port):
        done = run_leat("serve", "--echo", "--listen", f"127.0.0.1:{port}")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"127.0.0.1:{port}", done.stderr)
        self.assertIn("Address already in use", done.stderr)
        return done.stderr

    def test_port_in_use(self):
        with Server("--echo") as server:
            for balance in ("round_robin", "kernel_hash", "shared"):
                done = run_leat("serve", "--echo", "--balance", balance, "--listen",
                                server.addresses[0])
                self.assertEqual(done.returncode, 1, balance)
                self.assertIn(f"uid {os.geteuid()}", done.stderr)
            server.stop()

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to listen as another user")
    def test_port_held_by_another_user(self):
        port_out, port_in = os.pipe()
        stay_out, stay_in = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(stay_in)
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                with socket.create_server(("127.0.0.1", 0)) as listener:
                    os.write(port_in, str(listener.getsockname()[1]).encode())
                    os.read(stay_out, 1)  # until the test has closed the other end
            finally:
                os._exit(0)
        os.close(stay_out)
        try:
            port = int(os.read(port_out, 16))
            self.assertIn(f"uid {NOBODY}", self.refused(port))
        finally:
            os.close(stay_in)
            os.close(port_in)
            os.close(port_out)
            os.waitpid(child, 0)

    def test_unix_path_is_a_file(self):
        with tempfile.NamedTemporaryFile() as file:
            done = run_leat("serve", "--echo", "--listen", f"unix:{file.name}")
            self.assertEqual(done.returncode, 1)
            self.assertIn(file.name, done.stderr)
            self.assertTrue(os.path.exists(file.name))


if __name__ == "__main__":
    main()
