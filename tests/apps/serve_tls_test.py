"""`leat serve --tls`: curl, openssl s_client, clients of every bad kind, and new certificates."""

import json
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from harness import DEADLINE, SANITIZED, Server, await_true, main, receive_all, run_leat

CONTENT = os.urandom(3 << 20)
# The beginning of a record with a handshake in it, of 200 bytes.
HALF_A_RECORD = b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03"
TLS_1_0_HELLO = (b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x01" + bytes(32) +
                 b"\x00\x00\x02\xc0\x13\x01\x00")
SSL_2_HELLO = b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37)
# A ServerHello's place; the length says more than a record may have (2^14 + 2048).
GIANT_RECORD = b"\x16\x03\x03\xff\xff" + b"\x01" * 0xffff
# Warnings, user_canceled: no harm, one at a time.
ALERT_FLOOD = b"\x15\x03\x03\x00\x02\x01\x5a" * 10_000


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *arguments], capture_output=True, timeout=DEADLINE,
                          check=False, **options)


class Folder:
    """Certificates, and a file to serve."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.path = self._folder.name
        self.make("local", "localhost", "DNS:localhost,IP:127.0.0.1")
        self.make("other", "other.test", "DNS:other.test,DNS:*.other.test")
        os.mkdir(self.file("site"))
        with open(self.file("site/big.bin"), "wb") as file:
            file.write(CONTENT)

    def file(self, name):
        return os.path.join(self.path, name)

    def pair(self, name):
        return self.file(f"{name}.pem"), self.file(f"{name}.key")

    def make(self, name, common_name, alternatives, days="3"):
        chain, key = self.pair(name)
        done = openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                       "-nodes", "-keyout", key, "-out", chain, "-days", days,
                       "-subj", f"/CN={common_name}", "-addext", f"subjectAltName={alternatives}")
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode())

    def close(self):
        self._folder.cleanup()


class TlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Folder()
        cls.addClassCleanup(cls.folder.close)

    def serve(self, *arguments, names=("local", "other")):
        tls = [part for name in names for part in ("--tls", *self.folder.pair(name))]
        server = Server(*tls, *arguments)
        self.addCleanup(server.__exit__)
        return server

    def context(self, name="local"):
        return ssl.create_default_context(cafile=self.folder.pair(name)[0])

    def connect(self, server, context=None, name="localhost", **options):
        client = (context or self.context()).wrap_socket(server.connect(), server_hostname=name,
                                                         **options)
        self.addCleanup(client.close)
        return client

    def raw(self, server, **options):
        client = server.connect(**options)
        self.addCleanup(client.close)
        return client


class GoodClients(TlsTest):
    def curl(self, server, *arguments, path="/big.bin"):
        url = f"https://localhost:{server.port}{path}"
        return subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", str(DEADLINE), "--cacert",
             self.folder.pair("local")[0], "--verbose", *arguments, url],
            capture_output=True, timeout=2 * DEADLINE, check=False)

    def test_curl(self):
        server = self.serve(self.folder.file("site"))
        done = self.curl(server)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout == CONTENT)
        self.assertIn(b"ALPN: server accepted http/1.1", done.stderr)
        part = self.curl(server, "--range", "1000-1999", "--tlsv1.2", "--tls-max", "1.2")
        self.assertTrue(part.stdout == CONTENT[1000:2000], part.stderr)
        self.assertIn(b"TLSv1.2", part.stderr)
        # 35: the handshake failed; 60: the certificate is not to be trusted.
        self.assertEqual(self.curl(server, "--tls-max", "1.1").returncode, 35)
        self.assertEqual(self.curl(server, "--cacert", self.folder.pair("other")[0]).returncode, 60)
        upload = self.curl(server, "--data-binary", f"@{self.folder.file('site/big.bin')}",
                           "--output", os.devnull, "--write-out", "%{http_code}")
        self.assertEqual(upload.stdout, b"413", upload.stderr)
        counters = server.stop()["counters"]
        self.assertEqual(counters["tls_handshakes"], 3)
        self.assertGreaterEqual(counters["tls_failed"], 2)

    def test_names(self):
        server = self.serve("--echo")
        for name, common_name in (("localhost", "localhost"), ("other.test", "other.test"),
                                  ("www.other.test", "other.test"), ("a.b.test", "localhost")):
            done = openssl("s_client", "-connect", f"127.0.0.1:{server.port}", "-servername", name,
                           input=b"Q\n")
            self.assertIn(f"subject=CN = {common_name}\n".encode(), done.stdout, name)

    def test_s_client_comes_back_with_its_session(self):
        server = self.serve("--echo")
        for version in ("-tls1_2", "-tls1_3"):
            session = self.folder.file("session" + version)
            s_client = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", version]
            for options, said in ((["-sess_out", session], b"New, TLSv1"),
                                  (["-sess_in", session], b"Reused, TLSv1")):
                with subprocess.Popen([*s_client, *options], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
                    output = b""
                    client.stdin.write(b"an echo\n")
                    client.stdin.flush()
                    # The echo follows the tickets, so by then there is a session.
                    while b"\nan echo\n" not in output:
                        output += client.stdout.read1()
                    client.stdin.close()
                    output += client.stdout.read()
                self.assertIn(said, output)
        self.assertEqual(server.stop()["counters"]["tls_resumed"], 2)

    def test_a_large_echo_and_an_orderly_end(self):
        server = self.serve("--echo")
        client = self.connect(server)
        sender = threading.Thread(target=client.sendall, args=(CONTENT,))
        sender.start()
        received = b""
        while len(received) < len(CONTENT):
            received += client.recv(65536)
        sender.join()
        self.assertTrue(received == CONTENT)
        client.unwrap()  # close_notify both ways
        await_true(lambda: self.open_connections(server) == 0, "the connection ends")
        self.assertEqual(server.stop()["counters"]["closed"], {"peer_closed": 1})

    def test_new_certificates_without_a_restart(self):
        server = self.serve("--echo", names=("local",))
        before = self.connect(server)
        with open(self.folder.pair("local")[0], "rb") as file:
            old = file.read()
        self.addCleanup(self.folder.make, "local", "localhost", "DNS:localhost,IP:127.0.0.1")
        # A chain without its key stands there for a moment: nothing changes.
        with open(self.folder.pair("other")[0], "rb") as other:
            with open(self.folder.pair("local")[0], "wb") as file:
                file.write(other.read())
        server.process.send_signal(signal.SIGHUP)
        failed = server.await_event("reload_failed")
        self.assertIn("local.key: the key does not match the certificate in ", failed["message"])
        self.assertEqual(ssl.get_server_certificate(("127.0.0.1", server.port)), old.decode())
        self.folder.make("local", "localhost", "DNS:localhost,IP:127.0.0.1")
        server.process.send_signal(signal.SIGHUP)
        server.await_event("reloaded")
        with open(self.folder.pair("local")[0], encoding="ascii") as file:
            self.assertEqual(ssl.get_server_certificate(("127.0.0.1", server.port)), file.read())
        before.sendall(b"still here")
        self.assertEqual(before.recv(100), b"still here")

    def test_says_what_is_wrong(self):
        chain, key = self.folder.pair("local")
        for tls, message in (((chain, self.folder.file("none.key")), "none.key: No such file"),
                             ((chain, self.folder.pair("other")[1]), "does not match")):
            done = run_leat("serve", "--echo", "--listen", "127.0.0.1:0", "--tls", *tls)
            self.assertEqual(done.returncode, 1)
            self.assertIn(message, done.stderr)
        self.assertEqual(run_leat("serve", "--echo", "--tls", chain).returncode, 2)
        self.assertTrue(os.path.exists(key))

    @staticmethod
    def open_connections(server):
        """By the kernel's list, for the server has no other door."""
        with open("/proc/net/tcp", encoding="ascii") as file:
            lines = [line.split() for line in file]
        port = f":{server.port:04X}"
        return sum(line[1].endswith(port) and line[3] in ("01", "08") for line in lines[1:])


class BadClients(TlsTest):
    def counters(self, server):
        """Of a server of files, by its own word."""
        with self.context().wrap_socket(server.connect(), server_hostname="localhost") as client:
            client.sendall(b"GET /.leat/counters HTTP/1.0\r\n\r\n")
            return json.loads(receive_all(client).split(b"\r\n\r\n", 1)[1])

    def test_what_is_not_tls(self):
        server = self.serve(self.folder.file("site"))
        for words in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", SSL_2_HELLO, TLS_1_0_HELLO,
                      GIANT_RECORD, ALERT_FLOOD, b"\0" * 100_000, os.urandom(100_000)):
            client = self.raw(server)
            try:
                client.sendall(words)
                answer = receive_all(client)
            except ConnectionError:
                continue  # The server did not wait for the rest.
            # One alert at most.
            self.assertLessEqual(len(answer), 7, words[:20])
        # Each was cut, and others are served.
        self.assertEqual(self.counters(server)["open"], 1)
        self.assertEqual(server.stop()["counters"]["closed"]["handshake_failed"], 7)

    def test_every_abrupt_end(self):
        server = self.serve(self.folder.file("site"))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = self.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        with self.assertRaises(ssl.SSLWantReadError):
            session.do_handshake()
        hello = outgoing.read()
        for end in range(0, len(hello) + 1, 7):
            client = self.raw(server)
            client.sendall(hello[:end])
            if end % 2:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
        await_true(lambda: self.counters(server)["open"] == 1, "all of them end")

    def test_renegotiation_is_refused(self):
        server = self.serve("--echo")
        with subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}",
                               "-tls1_2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as client:
            output, _ = client.communicate(b"R\n", timeout=DEADLINE)
        self.assertIn(b"no renegotiation", output)

    def test_slow_handshakes_are_cut_and_cost_little(self):
        server = self.serve(self.folder.file("site"), "--max-connections", "1000")
        self.counters(server)
        before = server.private_memory()
        clients = [self.raw(server) for _ in range(400)]
        for number, client in enumerate(clients):
            if number % 2:
                client.sendall(HALF_A_RECORD)
        await_true(lambda: self.counters(server)["open"] == 401, "all are accepted")
        cost = (server.private_memory() - before) / len(clients)
        if not SANITIZED:
            self.assertLess(cost, 64 * 1024)
        # One byte a second gains no time: handshake_timeout is 10 s from the first byte.
        begun = time.monotonic()
        while self.counters(server)["open"] > 1:
            self.assertLess(time.monotonic() - begun, DEADLINE)
            for client in clients[:20]:
                try:
                    client.send(b"\0")
                except OSError:
                    pass
            time.sleep(1)
        self.assertGreaterEqual(server.stop()["counters"]["closed"]["handshake_failed"], 400)


if __name__ == "__main__":
    main()
