"""examples/http_client.cc"""

import http.server
import os
import pathlib
import socket
import subprocess
import threading
import unittest

from example import DEADLINE, main

BODY = b"0123456789" * 100_000


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = {"/": b"hello\n", "/large": BODY}.get(self.path, b"")
        self.send_response(200 if body else 404)
        if self.path != "/until-the-end":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"to the end" if self.path == "/until-the-end" else body)
        self.close_connection = True

    def log_message(self, *arguments):
        pass


class HttpClientTest(unittest.TestCase):
    def run_client(self, port, *arguments):
        path = pathlib.Path(os.environ["EXAMPLES"], "http_client")
        return subprocess.run([path, f"127.0.0.1:{port}", *arguments], capture_output=True,
                              timeout=DEADLINE, check=False)

    def serve(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server.server_address[1]

    def test_prints_the_body(self):
        port = self.serve()
        for path, body in [("/", b"hello\n"), ("/large", BODY), ("/until-the-end", b"to the end")]:
            ended = self.run_client(port, path)
            self.assertEqual((ended.returncode, ended.stdout), (0, body), ended.stderr)

    def test_says_why_not(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            ended = self.run_client(unused.getsockname()[1])
        self.assertEqual(ended.returncode, 1)
        self.assertIn(b"Connection refused", ended.stderr)

    def test_a_server_that_hangs_up(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def hang_up():
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            thread = threading.Thread(target=hang_up)
            thread.start()
            ended = self.run_client(listener.getsockname()[1])
            thread.join()
        self.assertEqual((ended.returncode, ended.stdout), (0, b"half"))


if __name__ == "__main__":
    main()
