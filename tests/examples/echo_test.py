"""examples/echo.cc"""

import signal
import socket
import threading

from example import DEADLINE, ExampleTest, main, receive, receive_to_end


class EchoTest(ExampleTest):
    program = "echo"

    def test_many_clients_at_once(self):
        clients = [self.connect() for _ in range(50)]
        for number, client in enumerate(clients):
            client.sendall(b"hello %d" % number)
        for number, client in enumerate(clients):
            expected = b"hello %d" % number
            self.assertEqual(receive(client, len(expected)), expected)

    def test_a_client_that_finishes_gets_the_rest(self):
        client = self.connect()
        client.sendall(b"the last words")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_to_end(client), b"the last words")

    def test_more_than_the_high_water_mark(self):
        # The server stops reading while its echo is not read, and goes on afterwards.
        client = self.connect()
        data = bytes(range(256)) * (32 * 1024)  # 8 MiB
        sender = threading.Thread(target=lambda: (client.sendall(data),
                                                  client.shutdown(socket.SHUT_WR)))
        sender.start()
        self.assertEqual(receive_to_end(client), data)
        sender.join()

    def test_stops_in_order(self):
        client = self.connect()
        client.sendall(b"x")
        receive(client, 1)
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(client.recv(1), b"")
        client.close()  # Now, for a peer that never finishes is cut when the time is over.
        output, errors = self.process.communicate(timeout=DEADLINE)
        self.assertIn("1 finished, 0 cut", output, errors)
        self.assertEqual(self.process.returncode, 0)

    def test_says_what_is_wrong(self):
        self.refuses(["127.0.0.1:port"], "echo: ")
        self.refuses([f"127.0.0.1:{self.port}"], "Address already in use")


if __name__ == "__main__":
    main()
