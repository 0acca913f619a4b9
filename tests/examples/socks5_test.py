"""examples/socks5.cc"""

import http.server
import socket
import struct
import subprocess
import threading
import time

from example import DEADLINE, ExampleTest, main, receive, receive_to_end

CONNECTED = bytes([5, 0, 0, 1, 0, 0, 0, 0, 0, 0])


def answer(code):
    return bytes([5, code, 0, 1, 0, 0, 0, 0, 0, 0])


def request(host, port, command=1):
    try:
        address = bytes([1]) + socket.inet_pton(socket.AF_INET, host)
    except OSError:
        address = bytes([3, len(host)]) + host.encode()
    return bytes([5, command, 0]) + address + struct.pack(">H", port)


class Page(http.server.BaseHTTPRequestHandler):
    body = b"a page of some length, " * 10_000

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *arguments):
        pass


class Socks5Test(ExampleTest):
    program = "socks5"

    def serve_page(self, host, family):
        kind = type("Server", (http.server.ThreadingHTTPServer,), {"address_family": family})
        server = kind((host, 0), Page)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        return server.server_address[1]

    def curl(self, option, url):
        return subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", str(DEADLINE), option,
             f"127.0.0.1:{self.port}", url],
            capture_output=True, check=False)

    def listen(self):
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(DEADLINE)
        self.addCleanup(listener.close)
        return listener

    def tunnel(self):
        """Both ends of a tunnel: the client's and the server's."""
        listener = self.listen()
        client = self.connect()
        client.sendall(bytes([5, 1, 0]))
        self.assertEqual(receive(client, 2), bytes([5, 0]))
        client.sendall(request("127.0.0.1", listener.getsockname()[1]))
        server, _ = listener.accept()
        server.settimeout(DEADLINE)
        self.addCleanup(server.close)
        self.assertEqual(receive(client, 10), CONNECTED)
        return client, server

    def test_curl_by_ipv4(self):
        port = self.serve_page("127.0.0.1", socket.AF_INET)
        got = self.curl("--socks5", f"http://127.0.0.1:{port}/")
        self.assertEqual(got.stdout, Page.body, got.stderr)

    def test_curl_by_name(self):
        # localhost may be ::1 first, where nobody listens: then the next address is tried.
        port = self.serve_page("127.0.0.1", socket.AF_INET)
        got = self.curl("--socks5-hostname", f"http://localhost:{port}/")
        self.assertEqual(got.stdout, Page.body, got.stderr)

    def test_curl_by_ipv6(self):
        try:
            port = self.serve_page("::1", socket.AF_INET6)
        except OSError as error:
            self.skipTest(f"no IPv6 here: {error}")
        got = self.curl("--socks5", f"http://[::1]:{port}/")
        self.assertEqual(got.stdout, Page.body, got.stderr)

    def test_all_at_once_or_byte_by_byte(self):
        listener = self.listen()
        said = bytes([5, 2, 7, 0]) + request("localhost", listener.getsockname()[1]) + b"early"
        for step in (len(said), 1):
            client = self.connect()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(0, len(said), step):
                client.sendall(said[i:i + step])
            server, _ = listener.accept()
            with server:
                server.settimeout(DEADLINE)
                self.assertEqual(receive(client, 12), bytes([5, 0]) + CONNECTED)
                self.assertEqual(receive(server, 5), b"early")

    def test_refusals(self):
        nobody = self.listen()
        port = nobody.getsockname()[1]
        nobody.close()
        hello = bytes([5, 1, 0])
        for said, heard in [
            (b"GET / HTTP/1.1\r\n\r\n", bytes([5, 0xff])),
            (bytes([5, 1, 2]), bytes([5, 0xff])),  # only with a password
            (hello + request("127.0.0.1", port, command=2), bytes([5, 0]) + answer(7)),
            (hello + bytes([5, 1, 0, 9]), bytes([5, 0]) + answer(8)),
            (hello + request("127.0.0.1", port), bytes([5, 0]) + answer(5)),
            (hello + request("nobody.invalid", port), bytes([5, 0]) + answer(4)),
        ]:
            with self.subTest(said=said):
                client = self.connect()
                client.sendall(said)
                self.assertEqual(receive_to_end(client), heard)

    def test_the_client_finishes_first(self):
        client, server = self.tunnel()
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_to_end(server), b"question")
        server.sendall(b"answer")
        server.close()
        self.assertEqual(receive_to_end(client), b"answer")

    def test_the_server_finishes_first(self):
        client, server = self.tunnel()
        server.sendall(b"welcome")
        server.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_to_end(client), b"welcome")
        client.sendall(b"thanks")
        client.close()
        self.assertEqual(receive_to_end(server), b"thanks")

    def test_a_reset_is_passed_on(self):
        client, server = self.tunnel()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        with self.assertRaises(ConnectionResetError):
            server.recv(1)

    def test_a_slow_reader_slows_the_sender(self):
        client, server = self.tunnel()
        piece, pieces = bytes(range(256)) * 256, 1024  # 64 MiB in all
        sent = [0]

        def send():
            for _ in range(pieces):
                client.sendall(piece)
                sent[0] += 1
            client.shutdown(socket.SHUT_WR)

        client.settimeout(None)
        sender = threading.Thread(target=send)
        sender.start()
        standing, last = 0, -1
        while standing < 5 and sender.is_alive():
            time.sleep(0.1)
            standing = standing + 1 if sent[0] == last else 0
            last = sent[0]
        self.assertLess(last * len(piece), 32 << 20)
        received = receive_to_end(server)
        sender.join()
        self.assertEqual(received, piece * pieces)


if __name__ == "__main__":
    main()
