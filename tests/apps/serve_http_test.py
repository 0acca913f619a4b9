"""`leat serve DIR`: what it serves, and what becomes of responses under way when it stops."""

import http.client
import json
import os
import signal
import socket
import tempfile
import unittest

from harness import DEADLINE, SANITIZED, Server, main, receive_all, run_load

MIB = 1 << 20


class Site:
    """A directory with a page, a file of 24 MiB, and a folder."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.path = self._folder.name
        self.page = b"<h1>hello</h1>\n" * 50
        self.big = os.urandom(MIB) * 24
        self.write("page.html", self.page)
        self.write("big.bin", self.big)
        os.mkdir(os.path.join(self.path, "folder"))
        self.write("folder/note.txt", b"note")

    def write(self, name, content):
        with open(os.path.join(self.path, name), "wb") as file:
            file.write(content)

    def close(self):
        self._folder.cleanup()


class Http(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.addClassCleanup(cls.site.close)

    def get(self, server, path, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def test_files(self):
        with Server(self.site.path) as server:
            response, body = self.get(server, "/page.html")
            self.assertEqual((response.status, body), (200, self.site.page))
            self.assertIn("text/html", response.headers["Content-Type"])
            response, body = self.get(server, "/big.bin")
            self.assertEqual(response.status, 200)
            self.assertEqual(body, self.site.big)
            self.assertEqual(self.get(server, "/missing")[0].status, 404)
            self.assertEqual(self.get(server, "/folder/")[0].status, 200)
            server.stop()

    def test_own_paths(self):
        with Server(self.site.path) as server:
            response, body = self.get(server, "/.leat/plaintext")
            self.assertEqual((response.status, body), (200, b"Hello, World!"))
            self.assertEqual(self.get(server, "/.leat/health")[0].status, 200)
            response, body = self.get(server, "/.leat/counters")
            self.assertEqual(response.status, 200)
            counters = json.loads(body)
            self.assertEqual(counters["accepted"], 3)
            self.assertEqual(counters["open"], sum(loop["open"] for loop in counters["loops"]))
            self.assertGreaterEqual(counters["requests"], 3)
            self.assertEqual(server.stop()["counters"]["responses"]["2xx"], 3)

    def test_malformed_and_oversized_requests(self):
        with Server(self.site.path) as server:
            for request, status in ((b"\x16\x03\x01 nonsense\r\n\r\n", b"400"),
                                    (b"GET / HTTP/1.1\r\n\r\n", b"400"),
                                    (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", b"414"),
                                    (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 100_000, b"431")):
                with server.connect() as client:
                    client.sendall(request)
                    answer = receive_all(client)
                    self.assertEqual(answer.split(b" ")[1], status, request[:40])
            status, report = run_load(server.http + "/page.html", "--requests", 100)
            self.assertEqual((status, report["requests"]), (0, 100))
            self.assertGreaterEqual(server.stop()["counters"]["rejected"], 4)

    def test_clients_that_never_read(self):
        with Server(self.site.path) as server:
            before = server.private_memory()
            held = []
            request = b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n"
            for _ in range(8):
                client = server.connect(receive_buffer=4096)
                client.sendall(request * 30)
                held.append(client)
            status, report = run_load(server.http + "/page.html", "--requests", 1000)
            self.assertEqual((status, report["requests"]), (0, 1000))
            if not SANITIZED:
                self.assertLess(server.private_memory() - before, 16 * MIB)
            for client in held:
                client.close()
            server.stop()

    def test_sigterm_lets_a_slow_client_finish(self):
        with Server(self.site.path, "--drain-timeout", DEADLINE) as server:
            with server.connect(receive_buffer=64 * 1024) as slow:
                slow.sendall(b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n")
                begin = slow.recv(1000)
                self.assertTrue(begin.startswith(b"HTTP/1.1 200"))
                server.process.send_signal(signal.SIGTERM)
                server.await_event("stopping")
                with self.assertRaises(OSError):
                    # The listener goes away a moment after the event is printed.
                    while True:
                        with socket.create_connection(("127.0.0.1", server.port), timeout=1):
                            pass
                body = (begin + receive_all(slow)).split(b"\r\n\r\n", 1)[1]
                self.assertEqual(body, self.site.big)
            report = server.await_event("stopped")
            self.assertEqual(server.process.wait(DEADLINE), 0)
        self.assertEqual((report["cut"], report["bytes_unsent"]), (0, 0))

    def test_counters_are_not_for_strangers(self):
        # Only an address that is not loopback can show it; a machine without one shows nothing.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))  # RFC 5737: sends nothing, finds our address
            except OSError:
                self.skipTest("this machine has loopback only")
            own = probe.getsockname()[0]
        with Server(self.site.path, listen=(f"{own}:0",)) as server:
            connection = http.client.HTTPConnection(own, server.port, timeout=DEADLINE)
            connection.request("GET", "/.leat/counters")
            self.assertEqual(connection.getresponse().status, 403)
            connection.close()
            server.stop()


if __name__ == "__main__":
    main()
