"""Peers that vanish without FIN or RST: `leat serve` must find out by its own limits.

The server runs in a network namespace of its own, its clients in a second one, joined by a pair of
virtual Ethernet devices. The clients' device is taken down, so nothing that they would say or
answer ever arrives. The namespaces go away with this process.
"""

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

from harness import DEADLINE, Server, await_true, main, receive_exactly, send_until_blocked

CLONE_NEWNET = 0x40000000
NEAR, FAR = "192.0.2.1", "192.0.2.2"  # RFC 5737
TCP_ESTABLISHED = 1
LIMIT = 2  # seconds, of the server
MIB = 1 << 20


def ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=DEADLINE,
                          check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


class Link:
    """Two network namespaces and what joins them; this process stays in the server's."""

    def __init__(self):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._far = self._new_namespace()
        self._near = self._new_namespace()
        ip("link", "set", "lo", "up")
        far = f"/proc/{os.getpid()}/fd/{self._far}"
        ip("link", "add", "near", "type", "veth", "peer", "name", "far", "netns", far)
        ip("address", "add", f"{NEAR}/24", "dev", "near")
        ip("link", "set", "near", "up")
        with self.far_side():
            ip("address", "add", f"{FAR}/24", "dev", "far")
        self.up()

    def _call(self, name, *arguments):
        if getattr(self._libc, name)(*arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{name}: {os.strerror(number)}")

    def _new_namespace(self):
        """Moves this thread into it, and keeps it as long as the process lives."""
        self._call("unshare", CLONE_NEWNET)
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    @contextlib.contextmanager
    def far_side(self):
        """Sockets and programs that are made inside belong to the clients' namespace for ever."""
        self._call("setns", self._far, CLONE_NEWNET)
        try:
            yield
        finally:
            self._call("setns", self._near, CLONE_NEWNET)

    def up(self):
        with self.far_side():
            ip("link", "set", "far", "up")

    def down(self):
        with self.far_side():
            ip("link", "set", "far", "down")

    def connect(self, server, receive_buffer=None):
        with self.far_side():
            client = socket.socket()
        if receive_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(DEADLINE)
        client.connect((NEAR, port_for_far(server)))
        return client


def port_for_far(server):
    return int(server.addresses[1].rsplit(":", 1)[1])


def sockets_of_far_clients(server):
    """Local port of each client and the bytes that wait for it, as the server's kernel sees them
    (man 5 proc), whatever the state of the connection."""
    far = f"{int.from_bytes(socket.inet_aton(FAR), 'little'):08X}:"
    port = f":{port_for_far(server):04X}"
    found = {}
    with open(f"/proc/{server.process.pid}/net/tcp", encoding="ascii") as table:
        for line in list(table)[1:]:
            _, local, remote, _, queues = line.split()[:5]
            if remote.startswith(far) and local.endswith(port):
                found[int(remote.split(":")[1], 16)] = int(queues.split(":")[0], 16)
    return found


def state_of(client):
    return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


class HalfOpen(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root, to make network namespaces")
        if shutil.which("ip") is None:
            raise unittest.SkipTest("needs ip, of Debian's iproute2")
        try:
            cls.link = Link()
        except OSError as error:
            raise unittest.SkipTest(f"no network namespaces here: {error}") from error

    def setUp(self):
        self.link.up()

    def serve(self, *arguments):
        server = Server(*arguments, listen=("127.0.0.1:0", f"{NEAR}:0"))
        self.addCleanup(server.__exit__)
        return server

    def client(self, server, **options):
        client = self.link.connect(server, **options)
        self.addCleanup(client.close)
        return client

    def take_away(self, server, clients):
        """The clients' link goes down while the server has them all."""
        self.link.down()
        ports = {client.getsockname()[1] for client in clients}
        self.assertEqual(set(sockets_of_far_clients(server)), ports, "too slow to tell anything")

    def assert_never_told(self, clients):
        for client in clients:
            self.assertEqual(state_of(client), TCP_ESTABLISHED)

    def test_echo(self):
        server = self.serve("--echo", "--idle-timeout", LIMIT)
        pending = self.client(server, receive_buffer=4096)
        send_until_blocked(pending, 256 * MIB, 0.2)
        idle = self.client(server)
        idle.sendall(b"ping")
        self.assertEqual(receive_exactly(idle, 4), b"ping")
        self.take_away(server, [pending, idle])
        self.assertGreater(sockets_of_far_clients(server)[pending.getsockname()[1]], 0)
        with server.connect() as other:
            def gone():
                other.sendall(b"still here")
                self.assertEqual(receive_exactly(other, 10), b"still here")
                return not sockets_of_far_clients(server)
            await_true(gone, "the server ends both")
            self.assert_never_told([pending, idle])
        counters = server.stop()["counters"]
        self.assertEqual(counters["closed"], {"idle_timeout": 2, "peer_closed": 1})
        self.assertGreater(counters["bytes_unsent"], 0)

    def test_files(self):
        with tempfile.TemporaryDirectory() as site:
            with open(os.path.join(site, "big.bin"), "wb") as file:
                file.truncate(1024 * MIB)
            with open(os.path.join(site, "page.html"), "wb") as file:
                file.write(b"a page")
            self.vanish_from_files(self.serve(site, "--idle-timeout", LIMIT,
                                              "--write-timeout", LIMIT))

    def vanish_from_files(self, server):
        # One that reads, one that has stopped reading, and one that asks for nothing any more.
        reading = self.client(server)
        reading.sendall(b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        ended = threading.Event()
        reader = threading.Thread(target=self.read_on, args=(reading, ended), daemon=True)
        reader.start()
        self.addCleanup(reader.join)
        self.addCleanup(ended.set)
        pending = self.client(server, receive_buffer=4096)
        pending.sendall(b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(receive_exactly(pending, 12), b"HTTP/1.1 200")
        idle = self.client(server)
        idle.sendall(b"GET /page.html HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(receive_exactly(idle, 12), b"HTTP/1.1 200")
        waiting = sockets_of_far_clients
        port = pending.getsockname()[1]
        await_true(lambda: waiting(server)[port] > 0, "output waits for the client")
        self.take_away(server, [reading, pending, idle])

        def closed():
            return server.counters()["closed"]  # asked over lo: an answer is a client served
        await_true(lambda: closed().get("write_timeout") == 2, "the server ends those with output")
        # The idle one was closed, not cut: the client might have been there.
        await_true(lambda: closed().get("linger_timeout") == 1, "the server ends the idle one")
        self.assertEqual(sockets_of_far_clients(server), {})
        self.assertEqual(server.counters()["open"], 1, "the one that asks")
        self.assert_never_told([reading, pending, idle])
        server.stop()

    @staticmethod
    def read_on(client, ended):
        """Slower than the server could send; when the link is down nothing comes any more."""
        client.settimeout(0.05)
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                client.recv(MIB)
            ended.wait(0.01)


if __name__ == "__main__":
    main()
