"""`leat load`: what it counts, and that it notices what is wrong."""

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import unittest

from harness import DEADLINE, LEAT, Server, await_true, main, run_leat, run_load


class ScriptedServer:
    """Accepts connections and runs `behave(client, number)` for each on a thread."""

    def __init__(self, behave):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self._behave = behave
        self._threads = []
        self._clients = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _accept(self):
        number = 0
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(client)
            thread = threading.Thread(target=self._serve, args=(client, number), daemon=True)
            number += 1
            self._threads.append(thread)
            thread.start()

    def _serve(self, client, number):
        try:
            self._behave(client, number)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(DEADLINE)
        self._listener.close()
        for client in self._clients:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(DEADLINE)
        for client in self._clients:
            client.close()


def answer_with(*responses):
    """Answers the requests of each connection with these, over and over."""
    def behave(client, _):
        pending, count = b"", 0
        while piece := client.recv(65536):
            pending += piece
            while b"\r\n\r\n" in pending:
                pending = pending.split(b"\r\n\r\n", 1)[1]
                client.sendall(responses[count % len(responses)])
                count += 1
    return behave


def response(body, status="200 OK"):
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


CHUNKED = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
           b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")


def unacknowledged(client):
    """Bytes that the peer's kernel has not taken (SIOCOUTQ)."""
    return struct.unpack("i", fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)))[0]


class Names(unittest.TestCase):
    def test_a_name_is_looked_up(self):
        with ScriptedServer(answer_with(response(b"hello"))) as server:
            port = server.address.rsplit(":", 1)[1]
            status, report = run_load(f"http://www.localhost:{port}/", "--requests", 20,
                                      "--connections", 2)
        self.assertEqual((status, report["requests"]), (0, 20), report)
        self.assertEqual(report["address"], server.address)
        self.assertEqual(report["target"], f"http://www.localhost:{port}/")


class Counts(unittest.TestCase):
    def assert_sane(self, report):
        latency = report["latency_us"]
        order = [latency[key] for key in ("min", "p50", "p90", "p99", "p99_9", "max")]
        # Percentiles are the middle of their bucket, 0.8 % wide at most.
        for low, high in zip(order, order[1:]):
            self.assertLessEqual(low, high * 1.01)
        self.assertLessEqual(latency["min"], latency["mean"])
        self.assertLessEqual(latency["mean"], latency["max"])
        self.assertEqual(sum(t["requests"] for t in report["per_thread"]), report["requests"])
        self.assertEqual(sum(t["connections"] for t in report["per_thread"]),
                         report["connections"])
        self.assertEqual(len(report["per_thread"]), report["threads"])
        self.assertEqual(report["errors"]["total"],
                         sum(v for k, v in report["errors"].items() if k not in ("total", "first")))
        if "histogram_us" in report:
            self.assertEqual(sum(b[2] for b in report["histogram_us"]), report["requests"])
            self.assertGreaterEqual(report["histogram_us"][-1][1], latency["max"])

    def test_a_connection_lost_while_others_open_is_counted_and_made_again(self):
        def behave(client, number):
            if number == 0:
                client.close()
                return
            while data := client.recv(65536):
                client.sendall(data)

        with ScriptedServer(behave) as server:
            # Enough of them that the first one ends before the last one is there.
            status, report = run_load("tcp://" + server.address, "--connections", 200,
                                      "--requests", 4000)
        self.assertNotEqual(status, 0)
        self.assertEqual(report["errors"]["reset"], 1)
        self.assertEqual(report["connects"], 201)
        # The end may come just before its first request or just after.
        self.assertIn(report["requests"], (3999, 4000))
        self.assertGreaterEqual(report["per_connection"]["min"], 1)

    def test_a_reset_is_no_end_of_a_body(self):
        def behave(client, number):
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf a bo")
            if number == 0:
                # The client has seen the half when it answers nothing for a while: it waits.
                while unacknowledged(client):
                    pass
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                client.sendall(b"dy")
            client.close()

        with ScriptedServer(behave) as server:
            status, report = run_load("http://" + server.address + "/", "--connections", 1,
                                      "--new-connections", "--requests", 5)
        self.assertNotEqual(status, 0)
        self.assertEqual(report["errors"]["reset"], 1, report["errors"])
        self.assertEqual(report["errors"]["body"], 0, "the half was taken for the whole")
        self.assertEqual(report["requests"], 4)

    def test_closed_loop(self):
        with Server("--echo", "--loops", 2) as server:
            status, report = run_load(server.tcp, "--requests", 5000, "--connections", 20,
                                      "--threads", 2, "--size", 777, "--histogram")
            received = server.stop()["counters"]["bytes_received"]
        self.assertEqual(status, 0, report["errors"])
        self.assert_sane(report)
        self.assertEqual(report["mode"], "closed")
        self.assertEqual(report["requests"], 5000)
        self.assertEqual(report["bytes_sent"], 5000 * 777)
        self.assertEqual(report["bytes_received"], 5000 * 777)
        self.assertEqual(received, 5000 * 777)
        self.assertEqual(report["connects"], 20)
        self.assertGreater(report["cpu"]["user_s"] + report["cpu"]["system_s"], 0)
        self.assertGreaterEqual(report["per_connection"]["min"], 1)
        self.assertEqual(report["per_connection"]["mean"], 250)
        self.assertIsNone(report["kept_up"])

    def test_duration_and_warmup(self):
        with Server("--echo") as server:
            status, report = run_load(server.tcp, "--duration", 0.5, "--warmup", 0.2)
            received = server.stop()["counters"]["bytes_received"]
        self.assertEqual(status, 0, report["errors"])
        self.assert_sane(report)
        self.assertGreater(received, report["bytes_sent"])  # by the warm-up
        self.assertGreaterEqual(report["duration_s"], 0.5)

    def test_pipelining(self):
        with Server("--echo") as server:
            status, report = run_load(server.tcp, "--requests", 4000, "--connections", 3,
                                      "--pipeline", 16, "--histogram")
            server.stop()
        self.assertEqual((status, report["requests"]), (0, 4000), report["errors"])
        self.assert_sane(report)

    def test_large_messages(self):
        with Server("--echo") as server:
            status, report = run_load(server.tcp, "--requests", 30, "--connections", 3, "--size",
                                      3_000_001, "--pipeline", 2)
            server.stop()
        self.assertEqual((status, report["requests"]), (0, 30), report["errors"])

    def test_open_loop(self):
        with Server("--echo") as server:
            status, report = run_load(server.tcp, "--requests", 2000, "--rate", 4000, "--threads",
                                      2, "--connections", 16, "--histogram")
            server.stop()
        self.assertEqual(status, 0, report["errors"])
        self.assert_sane(report)
        self.assertEqual((report["mode"], report["requests"]), ("open", 2000))
        self.assertEqual((report["unsent"], report["kept_up"]), (0, True))
        # The schedule takes (2000 - 1) / 4000 s; a slow machine can only make it longer.
        self.assertGreater(report["duration_s"], 0.49)

    def test_open_loop_counts_the_waiting(self):
        """A server that takes 0.1 s for each answer gets 100 a second on one connection."""
        import time

        def behave(client, _):
            while piece := client.recv(64):
                time.sleep(0.1)
                client.sendall(piece)

        with ScriptedServer(behave) as server:
            status, report = run_load(f"tcp://{server.address}", "--rate", 100, "--duration", 1,
                                      "--connections", 1)
        self.assertEqual(status, 0, report["errors"])
        self.assertFalse(report["kept_up"])
        self.assertGreater(report["unsent"], 50)
        self.assertGreaterEqual(report["backlog_max"], report["unsent"])
        # The last one sent was due long before; measured from the sending it would be 0.1 s.
        self.assertGreater(report["latency_us"]["max"], 400_000)

    def test_new_connections(self):
        with Server("--echo") as server:
            for extra in ([], ["--rate", 2000]):
                status, report = run_load(server.tcp, "--new-connections", "--requests", 500,
                                          "--connections", 8, *extra)
                self.assertEqual(status, 0, report["errors"])
                self.assertEqual((report["requests"], report["connects"]), (500, 500))
                self.assertIsNone(report["per_connection"])
            self.assertEqual(server.stop()["counters"]["accepted"], 1000)

    def test_idle(self):
        with Server("--echo") as server:
            status, report = run_load(server.tcp, "--idle", "--connections", 50, "--duration", 0.1)
            counters = server.stop()["counters"]
        self.assertEqual((status, report["mode"], report["open_at_end"]), (0, "idle", 50))
        self.assertEqual((counters["accepted"], counters["bytes_received"]), (50, 0))

    def test_sigint_ends_with_a_report(self):
        with tempfile.TemporaryDirectory() as folder, Server(folder) as server:
            client = subprocess.Popen([LEAT, "load", f"{server.http}/.leat/plaintext",
                                       "--duration", "3600", "--json"],
                                      stdout=subprocess.PIPE, text=True)
            await_true(lambda: server.counters()["requests"] > 100, "requests arrive")
            client.send_signal(signal.SIGINT)
            out, _ = client.communicate(timeout=DEADLINE)
            server.stop()
        self.assertEqual(client.returncode, 0)
        self.assertGreater(json.loads(out)["requests"], 0)


class Http(unittest.TestCase):
    def test_pages(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "page"), "wb") as file:
                file.write(os.urandom(50_000))
            path = os.path.join(folder, "socket")
            listen = ("127.0.0.1:0", f"unix:{path}")
            with Server(folder, listen=listen) as server:
                for target in (f"{server.http}/page", f"http://unix:{path}:/page"):
                    for extra in ([], ["--pipeline", 8], ["--new-connections"]):
                        status, report = run_load(target, "--requests", 300, "--connections", 5,
                                                  *extra)
                        self.assertEqual(status, 0, (target, extra, report["errors"]))
                        self.assertEqual(report["status"], {"200": 300})
                        self.assertGreater(report["bytes_received"], 300 * 50_000)
                server.stop()

    def load(self, behave, *arguments, requests=20):
        with ScriptedServer(behave) as server:
            return run_load(f"http://{server.address}/", "--requests", requests, "--connections",
                            1, *arguments)

    def test_chunked(self):
        status, report = self.load(answer_with(CHUNKED, response(b"abcde")))
        self.assertEqual((status, report["requests"]), (0, 20), report["errors"])

    def test_interim_responses_are_no_answers(self):
        interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        status, report = self.load(answer_with(interim + response(b"abc")))
        self.assertEqual((status, report["requests"]), (0, 20), report["errors"])

    def test_body_up_to_the_end_of_the_connection(self):
        def behave(client, _):
            client.recv(65536)
            client.sendall(b"HTTP/1.0 200 OK\r\n\r\nall of it")
            client.shutdown(socket.SHUT_WR)
            client.recv(1)
        status, report = self.load(behave)
        self.assertEqual((status, report["requests"]), (0, 20), report["errors"])

    def test_bad_status(self):
        status, report = self.load(answer_with(response(b"no", "503 Service Unavailable")))
        self.assertEqual((status, report["requests"]), (1, 0))
        self.assertEqual((report["errors"]["status"], report["status"]), (20, {"503": 20}))
        self.assertIn("503", report["errors"]["first"])

    def test_wrong_body_is_noticed(self):
        status, report = self.load(answer_with(response(b"abc"), response(b"abd")))
        self.assertEqual((status, report["requests"], report["errors"]["body"]), (1, 10, 10))
        status, report = self.load(answer_with(response(b"abc"), response(b"ab")))
        self.assertEqual((status, report["errors"]["body"]), (1, 10))

    def test_wrong_body_may_be_allowed(self):
        bodies = answer_with(response(b"abc"), response(b"ab"))
        status, report = self.load(bodies, "--any-body")
        self.assertEqual((status, report["requests"]), (0, 20))
        status, report = self.load(bodies, "--allow-errors")
        self.assertEqual((status, report["errors"]["body"]), (0, 10))

    def test_nonsense(self):
        def behave(client, _):
            client.recv(65536)
            client.sendall(b"220 mail.example.org ESMTP\r\n")
            client.recv(1)
        status, report = self.load(behave)
        self.assertEqual((status, report["requests"], report["errors"]["protocol"]), (1, 0, 20))

    def test_body_cut_short(self):
        def behave(client, _):
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
            client.close()
        status, report = self.load(behave)
        self.assertEqual((status, report["requests"], report["errors"]["reset"]), (1, 0, 20))

    def test_own_header_is_sent(self):
        seen = []

        def behave(client, _):
            seen.append(client.recv(65536))
            client.sendall(response(b""))
            client.recv(1)
        self.load(behave, "--header", "X-Test: 7", "--header", "Accept: a/b", requests=1)
        self.assertIn(b"\r\nX-Test: 7\r\nAccept: a/b\r\n", seen[0])
        self.assertTrue(seen[0].startswith(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:"))


class Echo(unittest.TestCase):
    def load(self, behave, *arguments, requests=10):
        with ScriptedServer(behave) as server:
            return run_load(f"tcp://{server.address}", "--requests", requests, "--connections", 1,
                            "--size", 100, *arguments)

    def test_wrong_byte_is_noticed(self):
        def behave(client, _):
            while piece := client.recv(65536):
                client.sendall(piece[:-1] + bytes([piece[-1] ^ 1]))
        status, report = self.load(behave)
        self.assertEqual((status, report["requests"], report["errors"]["body"]), (1, 0, 10))
        self.assertIn("byte", report["errors"]["first"])

    def test_no_answer(self):
        def behave(client, _):
            while client.recv(65536):
                pass
        status, report = self.load(behave, "--timeout", 0.1, requests=3)
        self.assertEqual((status, report["requests"], report["errors"]["timeout"]), (1, 0, 3))

    def test_connection_ends(self):
        def behave(client, _):
            client.recv(65536)
            client.close()
        status, report = self.load(behave)
        self.assertEqual((status, report["requests"], report["errors"]["reset"]), (1, 0, 10))

    def test_comes_back_after_an_error(self):
        def behave(client, number):
            while piece := client.recv(65536):
                if number == 0:
                    return client.close()
                client.sendall(piece)
        status, report = self.load(behave)
        self.assertEqual((status, report["requests"], report["errors"]["reset"]), (1, 9, 1))
        self.assertEqual(report["connects"], 2)

    def test_bytes_that_nobody_asked_for(self):
        def behave(client, _):
            while piece := client.recv(65536):
                client.sendall(piece + b"more")
        status, report = self.load(behave)
        self.assertEqual(status, 1)
        self.assertGreater(report["errors"]["protocol"] + report["errors"]["body"], 0)

    def test_text_report(self):
        with Server("--echo") as server:
            done = run_leat("load", server.tcp, "--requests", 100, "--rate", 1000)
            server.stop()
        self.assertEqual(done.returncode, 0)
        for word in ("open loop", "requests", "latency", "p99.9", "errors", "none"):
            self.assertIn(word, done.stdout)
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 100)


if __name__ == "__main__":
    main()
