"""What is wrong on the command line is said clearly, with exit status 2."""

import os
import tempfile
import unittest

from harness import main, run_leat


class CommandLine(unittest.TestCase):
    def assert_usage_error(self, arguments, *words):
        done = run_leat(*arguments)
        self.assertEqual(done.returncode, 2, done)
        self.assertEqual(done.stdout, "")
        for word in words:
            self.assertIn(word, done.stderr)

    def assert_failure(self, arguments, *words):
        done = run_leat(*arguments)
        self.assertEqual(done.returncode, 1, done)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_version(self):
        done = run_leat("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^leat \d+\.\d+\.\d+\n$")

    def test_help(self):
        for arguments in (["help"], ["--help"], ["help", "serve"], ["serve", "--help"],
                          ["help", "load"], ["load", "--help"]):
            done = run_leat(*arguments)
            self.assertEqual(done.returncode, 0, arguments)
            self.assertIn("leat", done.stdout)
        self.assertIn("--drain-timeout", run_leat("help", "serve").stdout)

    def test_unknown_command(self):
        self.assert_usage_error(["sevre", "/tmp"], "sevre")
        self.assert_usage_error(["help", "sevre"], "sevre")
        self.assert_usage_error([])

    def test_unknown_option(self):
        self.assert_usage_error(["serve", "--ehco"], "leat serve:", "--ehco")
        self.assert_usage_error(["load", "tcp://127.0.0.1:1", "--conections", "3"], "--conections")
        self.assert_usage_error(["--nonsense"], "--nonsense")

    def test_nothing_to_serve(self):
        self.assert_usage_error(["serve"], "--echo", "--discard")

    def test_two_things_to_serve(self):
        self.assert_usage_error(["serve", "--echo", "/tmp"], "--echo")
        self.assert_usage_error(["serve", "--echo", "--discard"], "--echo")

    def test_directory_is_missing(self):
        self.assert_failure(["serve", "--listen", "127.0.0.1:0", "/no/such/folder"],
                            "/no/such/folder", "No such file or directory")

    def test_directory_is_a_file(self):
        with tempfile.NamedTemporaryFile() as file:
            self.assert_failure(["serve", "--listen", "127.0.0.1:0", file.name], file.name,
                                "Not a directory")

    def test_listen_address_with_column(self):
        self.assert_usage_error(["serve", "--echo", "--listen", "127.0.0.1:99999"],
                                "--listen", "99999", "column 11")
        self.assert_usage_error(["serve", "--echo", "--listen", "127.0.0.300:80"], "column 9")
        self.assert_usage_error(["serve", "--echo", "--listen", "example.org:80"], "example.org")

    def test_numbers(self):
        for option, value in (("--loops", "0"), ("--loops", "many"), ("--loops", "0-99999999"),
                              ("--max-connections", "0"), ("--max-connections", "-1"),
                              ("--backlog", "1e3"), ("--idle-timeout", "-1"),
                              ("--write-timeout", "x"), ("--drain-timeout", "soon"),
                              ("--balance", "fair")):
            self.assert_usage_error(["serve", "--echo", option, value], option)

    def test_loops_on_a_cpu_that_is_not_there(self):
        self.assert_usage_error(["serve", "--echo", "--loops", "60000-60001"], "60000-60001")

    def test_load_numbers(self):
        target = "tcp://127.0.0.1:1"
        for option, value in (("--connections", "0"), ("--connections", "x"), ("--rate", "0"),
                              ("--size", "0"), ("--size", "1000000000"), ("--pipeline", "0"),
                              ("--requests", "0"), ("--duration", "0"), ("--timeout", "0"),
                              ("--threads", "0"), ("--header", "no colon")):
            self.assert_usage_error(["load", target, option, value], option)

    def test_load_options_that_do_not_fit(self):
        target = "tcp://127.0.0.1:1"
        self.assert_usage_error(["load", target, "--idle", "--rate", "5"], "--idle")
        self.assert_usage_error(["load", target, "--new-connections", "--pipeline", "2"],
                                "--pipeline")
        self.assert_usage_error(["load", target, "--header", "A: b"], "--header")
        self.assert_usage_error(["load", target, "--connections", "1000000"], "descriptors")

    def test_load_target(self):
        self.assert_usage_error(["load"], "TARGET")
        self.assert_usage_error(["load", "ftp://127.0.0.1:1"], "column 1", "http://")
        self.assert_usage_error(["load", "tcp://127.0.0.1:x"], "tcp://127.0.0.1:x", "column")
        self.assert_usage_error(["load", "http://127.0.0.1:80/a b"], "column 22")

    def test_nobody_listens(self):
        done = run_leat("load", "tcp://127.0.0.1:1", "--connections", "4")
        self.assertEqual(done.returncode, 1)
        self.assertIn("connect 127.0.0.1:1", done.stderr)
        self.assertIn("Connection refused", done.stderr)

    def test_output_that_nobody_reads(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        with os.fdopen(write_end, "w") as closed:
            import subprocess
            from harness import LEAT
            done = subprocess.run([LEAT, "help"], stdout=closed, stderr=subprocess.PIPE,
                                  timeout=50, check=False)
        self.assertGreaterEqual(done.returncode, 0, "ended by a signal")


if __name__ == "__main__":
    main()
