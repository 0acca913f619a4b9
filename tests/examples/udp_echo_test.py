"""examples/udp_echo.cc"""

import re
import signal
import socket

from example import DEADLINE, ExampleTest, main

UDP_SEGMENT = 103  # linux/udp.h; Python has no name for it
UDP_GRO = 104


class UdpEchoTest(ExampleTest):
    program = "udp_echo"

    def client(self):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.settimeout(DEADLINE)
        client.connect(("127.0.0.1", self.port))
        self.addCleanup(client.close)
        return client

    def test_many_clients(self):
        clients = [self.client() for _ in range(50)]
        for number, client in enumerate(clients):
            client.send(b"hello %d" % number)
        for number, client in enumerate(clients):
            self.assertEqual(client.recv(2000), b"hello %d" % number)

    def test_an_empty_datagram_and_the_largest(self):
        client = self.client()
        for size in (0, 1, 65507):
            client.send(b"x" * size)
            self.assertEqual(len(client.recv(70000)), size)

    def test_pieces_of_many_come_and_go_whole(self):
        client = self.client()
        client.setsockopt(socket.SOL_UDP, UDP_GRO, 1)
        data = b"".join(b"%04d" % number * 250 for number in range(40)) + b"end"
        client.sendmsg([data], [(socket.SOL_UDP, UDP_SEGMENT, (1000).to_bytes(2, "little"))])
        self.assertEqual(client.recv(70000), data)
        output = self.stop()
        self.assertRegex(output, r"^41 received in \d+ calls, 1 pieces of many; 41 sent in 1 calls, "
                                 r"1 pieces of many; lost: 0 before us, 0 by us$")

    def test_a_burst_takes_few_calls(self):
        clients = [self.client() for _ in range(20)]
        self.process.send_signal(signal.SIGSTOP)  # SIGSTOP: so all is there when it goes on.
        for client in clients:
            for number in range(5):
                client.send(b"%d" % number)
        self.process.send_signal(signal.SIGCONT)
        for client in clients:
            self.assertEqual([client.recv(100) for _ in range(5)],
                             [b"%d" % number for number in range(5)])
        received = re.match(r"100 received in (\d+) calls", self.stop())
        self.assertLess(int(received[1]), 20)

    def test_says_what_is_wrong(self):
        self.refuses(["127.0.0.1:port"], "udp_echo: ")
        self.refuses([f"127.0.0.1:{self.port}"], "Address already in use")


if __name__ == "__main__":
    main()
