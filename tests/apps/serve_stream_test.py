"""`leat serve --echo` and `--discard`: hostile clients, shortage of descriptors, stopping."""

import os
import signal
import socket
import time
import unittest

from harness import (DEADLINE, SANITIZED, Server, await_true, limit_descriptors, main,
                     receive_all, receive_exactly, run_leat, run_load, send_until_blocked)

MIB = 1 << 20


class Streams(unittest.TestCase):
    def test_echo_and_half_close(self):
        with Server("--echo") as server, server.connect() as client:
            client.sendall(b"a" * 100_000)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(client), b"a" * 100_000)
            report = server.stop()
        self.assertEqual(report["counters"]["closed"], {"peer_closed": 1})
        self.assertEqual(report["counters"]["bytes_received"], 100_000)
        self.assertEqual(report["counters"]["bytes_sent"], 100_000)

    def test_discard(self):
        with Server("--discard") as server:
            with server.connect() as client:
                client.sendall(bytes(3 * MIB))
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(client), b"")
            self.assertEqual(server.stop()["counters"]["bytes_received"], 3 * MIB)

    def test_idle_timeout(self):
        with Server("--echo", "--idle-timeout", 0.2) as server:
            with server.connect() as client:
                try:
                    self.assertEqual(client.recv(1), b"")
                except ConnectionResetError:
                    pass
            self.assertEqual(server.stop()["counters"]["closed"], {"idle_timeout": 1})

    def test_most_connections(self):
        with Server("--echo", "--loops", 1, "--max-connections", 2) as server:
            clients = [server.connect() for _ in range(3)]
            for client in clients[:2]:
                client.sendall(b"x")
                self.assertEqual(client.recv(1), b"x")
            clients[2].sendall(b"y")  # waits in the accept queue
            clients[0].close()
            self.assertEqual(clients[2].recv(1), b"y")
            for client in clients[1:]:
                client.close()
            self.assertEqual(server.stop()["counters"]["accepted"], 3)

    def test_clients_that_never_read(self):
        clients = 8
        with Server("--echo") as server:
            before = server.private_memory()
            held = []
            for _ in range(clients):
                client = server.connect(receive_buffer=4096)
                held.append(client)
                self.assertLess(send_until_blocked(client, 256 * MIB), 256 * MIB)
            if not SANITIZED:
                self.assertLess(server.private_memory() - before, clients * 4 * MIB)
            with server.connect() as other:  # nobody else suffers
                other.sendall(b"ping")
                self.assertEqual(receive_exactly(other, 4), b"ping")
            for client in held:
                client.close()
            await_true(lambda: server.process.poll() is None, "the server lives")
            server.stop()

    def test_resets(self):
        with Server("--echo") as server:
            for sent in range(20):
                client = server.connect()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.sendall(b"z" * sent)
                client.close()
            status, report = run_load(server.tcp, "--requests", 100, "--connections", 5)
            self.assertEqual((status, report["errors"]["total"]), (0, 0))
            counters = server.stop()["counters"]
        self.assertEqual(counters["accepted"] + counters["accept_failed"], 25)
        self.assertEqual(counters["open"], 0)

    def test_descriptors_run_out(self):
        with Server("--echo", "--loops", 2, preexec_fn=limit_descriptors(64)) as server:
            clients = [server.connect() for _ in range(200)]
            while True:
                log = server.await_event("log")
                if "descriptor" in log["message"] or "files" in log["message"]:
                    break
            # Not a timing to pass by: a server that spins makes millions of rounds meanwhile.
            time.sleep(1)
            for client in clients[:150]:
                client.close()
            for client in clients[150:]:
                client.settimeout(DEADLINE)
                client.sendall(b"still here")
                self.assertEqual(receive_exactly(client, 10), b"still here")
                client.close()
            counters = server.stop()["counters"]
        self.assertGreater(counters["accept_paused"], 0)
        self.assertLess(sum(loop["iterations"] for loop in counters["loops"]), 20_000)


class Stopping(unittest.TestCase):
    def test_sigterm_without_connections(self):
        with Server("--echo") as server:
            report = server.stop()
        self.assertEqual((report["drained"], report["cut"]), (0, 0))
        self.assertEqual(server.events[-2]["event"], "stopping")

    def test_sigint_drains_too(self):
        with Server("--discard") as server:
            server.process.send_signal(signal.SIGINT)
            self.assertEqual(server.await_event("stopping")["signal"], "SIGINT")
            server.await_event("stopped")
            self.assertEqual(server.process.wait(DEADLINE), 0)

    def test_idle_connections_are_closed(self):
        with Server("--echo") as server:
            clients = [server.connect() for _ in range(10)]
            for client in clients:
                client.sendall(b"x")
                receive_exactly(client, 1)
            server.process.send_signal(signal.SIGTERM)
            for client in clients:
                self.assertEqual(receive_all(client), b"")
                client.close()
            report = server.await_event("stopped")
        self.assertEqual((report["drained"], report["cut"]), (10, 0))

    def test_client_that_never_takes_its_echo_is_cut(self):
        with Server("--echo", "--drain-timeout", 0.3) as server:
            with server.connect(receive_buffer=4096) as client:
                send_until_blocked(client, 64 * MIB)
                report = server.stop()
        self.assertEqual(report["cut"], 1)
        self.assertGreater(report["bytes_unsent"], 0)

    def test_second_signal_ends_at_once(self):
        with Server("--echo", "--drain-timeout", 3600) as server:
            with server.connect(receive_buffer=4096) as client:
                send_until_blocked(client, 64 * MIB)
                server.process.send_signal(signal.SIGTERM)
                server.await_event("stopping")
                server.process.send_signal(signal.SIGTERM)
                self.assertEqual(server.process.wait(DEADLINE), 128 + signal.SIGTERM)


class IdleConnections(unittest.TestCase):
    COUNT = 15_000
    BYTES_EACH = 1024

    def test_15000(self):
        import resource
        if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < self.COUNT + 200:
            self.skipTest("the hard limit of descriptors is too low; raise it (ulimit -Hn)")
        with Server("--echo") as server:
            run_load(server.tcp, "--requests", 100)  # what is made once is made now
            before = server.private_memory()
            import subprocess
            from harness import LEAT
            client = subprocess.Popen(
                [LEAT, "load", server.tcp, "--idle", "--connections", str(self.COUNT),
                 "--duration", "3600", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True)
            try:
                line = client.stderr.readline()
                self.assertIn(f"{self.COUNT} connections are open", line)
                # The client's connects are done when they stand in the accept queue.
                with server.connect() as other:
                    other.sendall(b"after them")
                    receive_exactly(other, 10)
                growth = server.private_memory() - before
                if not SANITIZED:
                    self.assertLess(growth / self.COUNT, self.BYTES_EACH)
                status, report = run_load(server.tcp, "--requests", 1000)
                self.assertEqual((status, report["requests"]), (0, 1000))
                client.send_signal(signal.SIGINT)
                out, _ = client.communicate(timeout=DEADLINE)
            finally:
                if client.poll() is None:
                    client.kill()
                client.wait(DEADLINE)
                client.stdout.close()
                client.stderr.close()
            import json
            self.assertEqual(json.loads(out)["open_at_end"], self.COUNT)
            counters = server.stop()["counters"]
        self.assertGreaterEqual(counters["accepted"], self.COUNT)
        print(f"user memory for each of {self.COUNT} idle connections: "
              f"{growth / self.COUNT:.0f} bytes")


if __name__ == "__main__":
    main()
