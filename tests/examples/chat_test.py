"""examples/chat.cc"""

from example import ExampleTest, main


class Guest:
    def __init__(self, test, name):
        self.socket = test.connect()
        self.file = self.socket.makefile("rw", encoding="utf-8", newline="\n")
        test.addCleanup(self.file.close)
        self.say(name)

    def leave(self):
        self.file.close()
        self.socket.close()

    def say(self, line):
        self.file.write(line + "\n")
        self.file.flush()

    def hears(self, line):
        """Whether this is the next line."""
        heard = self.file.readline()
        if heard != line + "\n":
            raise AssertionError(f"heard {heard!r} instead of {line!r}")


class ChatTest(ExampleTest):
    program = "chat"

    def enter(self, name):
        guest = Guest(self, name)
        guest.hears(f"* {name} is here")
        return guest

    def test_every_line_reaches_all_on_every_loop(self):
        # More guests than loops, so they sit on several.
        guests = []
        for number in range(12):
            guests.append(self.enter(f"guest{number}"))
            for other in guests[:-1]:
                other.hears(f"* guest{number} is here")
        for number, guest in enumerate(guests):
            guest.say(f"line {number}")
            for other in guests:
                other.hears(f"guest{number}: line {number}")

    def test_a_name_belongs_to_one(self):
        anna = self.enter("anna")
        # Enough attempts that some come to a loop other than anna's.
        others = [Guest(self, "anna") for _ in range(12)]
        for other in others:
            other.hears("* that name is taken, another please")
        others[0].say("berta")
        others[0].hears("* berta is here")
        anna.hears("* berta is here")

    def test_a_name_is_free_again(self):
        anna, berta = self.enter("anna"), self.enter("berta")
        anna.hears("* berta is here")
        anna.leave()
        berta.hears("* anna has left")
        again = Guest(self, "anna")
        while again.file.readline() == "* that name is taken, another please\n":
            again.say("anna")  # The table is behind the announcement by a moment.
        berta.hears("* anna is here")

    def test_a_line_without_end_is_cut(self):
        anna = self.enter("anna")
        anna.file.write("x" * 1001)
        anna.file.flush()
        self.assertEqual(anna.file.readline(), "")

    def test_lines_cut_anywhere(self):
        anna = self.enter("anna")
        for part in ["on", "e\r", "\ntwo\nthr", "ee\n"]:
            anna.file.write(part)
            anna.file.flush()
        for line in ["anna: one", "anna: two", "anna: three"]:
            anna.hears(line)


if __name__ == "__main__":
    main()
