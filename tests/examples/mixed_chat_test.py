"""examples/mixed_chat.cc"""

import socket

from example import DEADLINE, ExampleTest, main


class MixedChatTest(ExampleTest):
    program = "mixed_chat"

    def setUp(self):
        self.other_port = None
        super().setUp()

    def line_with(self, text):
        line = super().line_with("coroutines on ") if self.other_port is None else ""
        self.other_port = self.other_port or int(line.rsplit(":", 1)[1])
        return super().line_with(text)

    def enter(self, port):
        guest = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self.addCleanup(guest.close)
        file = guest.makefile("rw", encoding="utf-8", newline="\n")
        self.addCleanup(file.close)
        # Heard by oneself: then one is in the room.
        self.say(file, "here")
        self.assertEqual(file.readline(), "here\n")
        return guest, file

    @staticmethod
    def say(file, line):
        file.write(line + "\n")
        file.flush()

    def test_lines_cross_between_the_doors(self):
        _, anna = self.enter(self.port)
        guest, berta = self.enter(self.other_port)
        self.assertEqual(anna.readline(), "here\n")
        for speaker, line in [(anna, "by callbacks"), (berta, "by a coroutine")]:
            self.say(speaker, line)
            self.assertEqual(anna.readline(), line + "\n")
            self.assertEqual(berta.readline(), line + "\n")
        guest.shutdown(socket.SHUT_RDWR)
        self.say(anna, "alone")
        self.assertEqual(anna.readline(), "alone\n")

    def test_a_line_without_end_is_cut_at_both_doors(self):
        for port in (self.port, self.other_port):
            _, guest = self.enter(port)
            guest.write("x" * 1001)
            guest.flush()
            self.assertEqual(guest.readline(), "")


if __name__ == "__main__":
    main()
