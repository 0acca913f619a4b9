"""examples/tls_proxy.cc"""

import os
import signal
import socket
import ssl
import subprocess
import tempfile
import threading

from example import DEADLINE, ExampleTest, main, receive, receive_to_end


class TlsProxyTest(ExampleTest):
    program = "tls_proxy"

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.certificate = os.path.join(folder.name, "cert.pem")
        self.key = os.path.join(folder.name, "key.pem")
        self.make_certificate()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(DEADLINE)
        self.addCleanup(self.listener.close)
        behind = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.arguments = (behind, self.certificate, self.key)
        super().setUp()

    def make_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key, "-out",
                        self.certificate, "-days", "3", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost"], capture_output=True, check=True)

    def connect_tls(self):
        context = ssl.create_default_context(cafile=self.certificate)
        client = context.wrap_socket(self.connect(), server_hostname="localhost")
        self.addCleanup(client.close)
        return client

    def accept(self):
        server = self.listener.accept()[0]
        server.settimeout(DEADLINE)
        self.addCleanup(server.close)
        return server

    def test_both_ways_and_each_end(self):
        client = self.connect_tls()
        client.sendall(b"question")
        server = self.accept()
        self.assertEqual(receive(server, 8), b"question")
        server.sendall(b"answer")
        self.assertEqual(receive(client, 6), b"answer")
        server.close()
        self.assertEqual(client.recv(1), b"")  # close_notify, or Python would complain

    def test_much_in_both_directions_at_once(self):
        client = self.connect_tls()
        server = self.accept()
        data = os.urandom(8 << 20)
        results = {}
        for name, end in (("client", client), ("server", server)):
            results[name] = threading.Thread(target=end.sendall, args=(data,))
        results["server"].start()
        self.assertTrue(receive(client, len(data)) == data)
        results["client"].start()
        self.assertTrue(receive(server, len(data)) == data)
        for thread in results.values():
            thread.join()

    def test_the_last_words_arrive(self):
        client = self.connect_tls()
        data = os.urandom(4 << 20)
        sender = threading.Thread(target=lambda: (client.sendall(data), client.unwrap()))
        sender.start()
        server = self.accept()
        self.assertTrue(receive_to_end(server) == data)
        server.close()
        sender.join()

    def test_a_cut_stream_is_a_reset_behind(self):
        client = self.connect_tls()
        server = self.accept()
        client.sendall(b"half of")
        self.assertEqual(receive(server, 7), b"half of")
        # The TCP stream ends, and TLS has not said so.
        socket.socket(fileno=client.detach()).close()
        with self.assertRaises(ConnectionResetError):
            server.recv(1)

    def test_nobody_behind(self):
        self.listener.close()
        client = self.connect_tls()
        try:
            self.assertEqual(client.recv(1), b"")
        except OSError:
            pass

    def test_a_new_certificate(self):
        before = self.connect_tls()
        self.make_certificate()
        self.process.send_signal(signal.SIGHUP)
        self.line_with("reloaded")
        self.connect_tls()
        server = self.accept()
        before.sendall(b"x")
        self.assertEqual(receive(server, 1), b"x")

    def test_says_what_is_wrong(self):
        self.refuses(["127.0.0.1:0", "127.0.0.1:1", self.key, self.certificate],
                     "there is no certificate (PEM) in it")


if __name__ == "__main__":
    main()
