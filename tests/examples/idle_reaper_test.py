"""examples/idle_reaper.cc"""

import threading

from example import ExampleTest, main, receive


class IdleReaperTest(ExampleTest):
    program = "idle_reaper"
    arguments = ("2",)

    def port_of(self, client):
        return f"127.0.0.1:{client.getsockname()[1]} "

    def keep_busy(self, client, until):
        while not until.is_set():
            client.sendall(b"x")
            receive(client, 1)

    def test_ends_the_silent_and_keeps_the_busy(self):
        busy, silent, over = self.connect(), self.connect(), threading.Event()
        thread = threading.Thread(target=self.keep_busy, args=(busy, over))
        thread.start()
        try:
            self.assertEqual(self.line_with(" ended: "),
                             self.port_of(silent) + "ended: idle_timeout")
            self.line_with("ended as idle 1")
        finally:
            over.set()
            thread.join()
        with self.assertRaises(ConnectionResetError):
            silent.recv(1)

    def test_a_longer_limit_for_one(self):
        patient = self.connect()
        patient.sendall(b"patience")
        receive(patient, len(b"patience"))
        # The second of these lives its two seconds after the first: patient is silent for four.
        for _ in range(2):
            silent = self.connect()
            self.assertEqual(self.line_with(" ended: "),
                             self.port_of(silent) + "ended: idle_timeout")
        patient.sendall(b"x")
        self.assertEqual(receive(patient, 1), b"x")

    def test_an_ordinary_end_is_reported_as_such(self):
        client = self.connect()
        address = self.port_of(client)
        client.close()
        self.assertEqual(self.line_with(address), address + "ended: peer_closed")
        self.assertIn("open 0, ended as idle 0", self.line_with("accepted 1"))

    def test_says_what_is_wrong(self):
        for seconds in ["0", "-1", "ten", "1x", "99999999999"]:
            self.refuses(["127.0.0.1:0", seconds], "no number of seconds")


if __name__ == "__main__":
    main()
