"""`leat run`, `leat ss` and `leat smc` from outside, each test with a broker of its own."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from harness import LEAT, SANITIZED, await_true, main, run_leat

SERVER = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
client, _ = listener.accept()
while data := client.recv(4096):
    client.sendall(data)
"""
LISTEN = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""
CLIENT = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as server:
    for _ in range(500):
        server.sendall(b"x" * 100)
        left = 100
        while left:
            left -= len(server.recv(left))
    print("done", flush=True)
    sys.stdin.read()
"""


class World(unittest.TestCase):
    def setUp(self):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="leat-run-"))
        self.addCleanup(shutil.rmtree, self.base, ignore_errors=True)
        self.folder = self.base / "leat"
        kept = {n: v for n, v in os.environ.items() if not n.startswith("LEAT_") and n != "LD_PRELOAD"}
        self.environment = {**kept, "LEAT_DIR": str(self.folder)}
        if "LEAT_PRELOAD" in os.environ:
            self.environment["LEAT_PRELOAD"] = os.environ["LEAT_PRELOAD"]
        self.addCleanup(self.end_broker)

    def end_broker(self):
        with contextlib.suppress(OSError, ValueError):
            os.kill(self.stats()["broker_pid"], signal.SIGTERM)

    def leat(self, *arguments, **options):
        return run_leat(*arguments, env=self.environment, **options)

    def stats(self):
        return json.loads(self.leat("smc", "stats", "--json").stdout)

    def python(self, code, *arguments):
        words = [LEAT, "run", "--", sys.executable, "-c", code, *map(str, arguments)]
        process = subprocess.Popen(words, env=self.environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.kill)
        return process


class Broker(World):
    def test_starts_once_and_ends_on_a_signal(self):
        self.assertIn("listens", self.leat("smc", "broker").stdout)
        self.assertIn("already", self.leat("smc", "broker", "--stay").stdout)
        status = os.stat(self.folder)
        self.assertEqual(status.st_mode & 0o777, 0o711)
        broker = self.stats()["broker_pid"]
        # Its own session, and nothing of ours.
        self.assertEqual(os.getsid(broker), broker)
        self.assertEqual(os.readlink(f"/proc/{broker}/cwd"), "/")
        for descriptor in ("0", "1", "2"):
            self.assertEqual(os.readlink(f"/proc/{broker}/fd/{descriptor}"), "/dev/null")
        os.kill(broker, signal.SIGTERM)
        await_true(lambda: not (self.folder / "broker").exists(), "the socket goes")
        self.assertEqual(self.leat("smc", "stats").returncode, 1)

    def test_ends_when_its_directory_goes(self):
        self.leat("smc", "broker")
        broker = self.stats()["broker_pid"]
        shutil.rmtree(self.folder)
        await_true(lambda: not pathlib.Path(f"/proc/{broker}").exists(), "the broker ends")

    def test_many_at_once_start_one(self):
        done = []
        threads = [threading.Thread(target=lambda: done.append(self.leat("smc", "broker")))
                   for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([d.returncode for d in done], [0] * 8, done)

    def test_a_directory_that_others_may_write(self):
        self.folder.mkdir()
        self.folder.chmod(0o777)
        done = self.leat("smc", "broker")
        self.assertEqual(done.returncode, 1)
        self.assertIn("others may write", done.stderr)

    def test_a_bad_policy_is_told(self):
        self.folder.mkdir(mode=0o711)
        (self.folder / "policy").write_text("allow root\n")
        done = self.leat("smc", "broker")
        self.assertEqual(done.returncode, 1)
        self.assertIn("line 1", done.stderr)


@unittest.skipIf(SANITIZED, "there is no preload library under sanitizers")
class Run(World):
    def test_exit_statuses(self):
        self.assertEqual(self.leat("run", "--", "sh", "-c", "exit 7").returncode, 7)
        self.assertEqual(self.leat("run", "no-such-program").returncode, 127)
        self.assertEqual(self.leat("run", "/etc/passwd").returncode, 126)
        self.assertEqual(self.leat("run").returncode, 2)
        self.assertEqual(self.leat("run", "-r", "3m", "true").returncode, 2)
        self.assertEqual(self.leat("run", "--deny-port", "70000", "true").returncode, 2)
        self.environment["LEAT_PRELOAD"] = "/no/such/library.so"
        self.assertEqual(self.leat("run", "true").returncode, 125)

    def test_the_programs_own_options_are_its_own(self):
        self.assertEqual(self.leat("run", "echo", "-v", "serve", "--", "-r").stdout,
                         "-v serve -- -r\n")
        self.assertEqual(self.leat("run", "-v", "--", "sh", "-c", "echo $0", "--help").stdout,
                         "--help\n")

    def test_what_the_program_finds(self):
        self.environment["LD_PRELOAD"] = "libc.so.6"
        done = self.leat("run", "-r", "1m", "-t", "256k", "--deny-port", "22,30-40", "--no-spin",
                         "env")
        found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        self.assertRegex(found["LD_PRELOAD"], r"^libc\.so\.6:/.*libleat_preload\.so$")
        self.assertEqual(found["LEAT_DIR"], str(self.folder))
        self.assertEqual(found["LEAT_RCVBUF"], str(1 << 20))
        self.assertEqual(found["LEAT_SNDBUF"], str(1 << 18))
        self.assertEqual(found["LEAT_PORTS"], "!22,!30-40")
        self.assertEqual(found["LEAT_SPIN"], "off")

    def test_sigpipe_and_descriptors_are_as_before(self):
        ignored = self.leat("run", "grep", "SigIgn", "/proc/self/status").stdout.split()[1]
        self.assertEqual(int(ignored, 16) & 1 << (signal.SIGPIPE - 1), 0)
        plain = subprocess.run(["ls", "/proc/self/fd"], capture_output=True, check=True)
        under = self.leat("run", "ls", "/proc/self/fd")
        self.assertEqual(len(under.stdout.split()), len(plain.stdout.split()))

    def test_no_broker_no_harm(self):
        self.folder.mkdir()
        self.folder.chmod(0o777)
        done = self.leat("run", "echo", "works")
        self.assertEqual(done.stdout, "works\n")
        self.assertIn("stay on TCP", done.stderr)

    def test_two_programs_are_seen(self):
        server = self.python(SERVER)
        port = int(server.stdout.readline())
        client = self.python(CLIENT, port)
        self.assertEqual(client.stdout.readline(), "done\n")
        rows = json.loads(self.leat("ss", "--json").stdout)
        self.assertEqual([row["mode"] for row in rows], ["SHM", "SHM"], rows)
        ends = {row["local"]: row["peer"] for row in rows}
        self.assertEqual(ends[f"127.0.0.1:{port}"], next(a for a in ends if str(port) not in a[9:]))
        self.assertGreater(rows[0]["cursors"]["tx_position"], 40_000)
        self.assertIn("SHM", self.leat("ss").stdout)
        self.assertIn("lane small", self.leat("ss", "-d").stdout)
        check = self.leat("smc", "check", f"127.0.0.1:{port}")
        self.assertEqual((check.returncode, check.stdout.split()[1]), (0, "SHM"), check)
        stats = self.stats()
        self.assertEqual(stats["shared"], 2)
        self.assertGreater(stats["ring_bytes"], 60_000)
        self.assertEqual(self.leat("smc", "stats", "reset").returncode, 0)
        self.assertEqual(self.stats()["shared"], 0)
        client.stdin.close()
        client.wait()
        server.wait()
        await_true(lambda: self.stats()["segments"] == 0, "the segment goes with its holders")


class Check(World):
    def check(self, target):
        done = self.leat("smc", "check", "--json", target)
        return done.returncode, json.loads(done.stdout)["why"] if done.stdout else done.stderr

    def test_why_it_would_be_tcp(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            here = f"127.0.0.1:{listener.getsockname()[1]}"
            self.assertIn("no broker", self.check(here)[1])
            self.leat("smc", "broker")
            status, why = self.check(here)
            self.assertEqual(status, 1)
            self.assertIn("not under `leat run`", why)
            self.assertIn(str(os.getpid()), why)
        self.assertIn("nobody listens", self.check(here)[1])
        self.assertIn("another host", self.check("192.0.2.1:80")[1])
        self.assertEqual(self.check("nonsense")[0], 2)

    @unittest.skipIf(SANITIZED, "there is no preload library under sanitizers")
    def test_lists_of_ports_at_either_end(self):
        self.environment["LEAT_PORTS"] = "!1-65535"
        server = self.python(SERVER)
        here = f"127.0.0.1:{int(server.stdout.readline())}"
        self.assertIn("is set here", self.check(here)[1])
        self.environment["LEAT_PORTS"] = here.split(":")[1]
        status, why = self.check(here)
        self.assertEqual((status, "its LEAT_PORTS=!1-65535 keeps" in why), (1, True), why)
        server.kill()
        server.wait()

    @unittest.skipIf(SANITIZED, "there is no preload library under sanitizers")
    @unittest.skipIf(os.geteuid() != 0, "only root can be another user")
    def test_the_policy_decides_between_users(self):
        self.leat("smc", "broker")
        for folder in (self.base, self.folder):
            os.chmod(folder, 0o711)
        policy = self.folder / "policy"
        for line, shared in (("", False), ("allow root 4321", True)):
            policy.write_text(line + "\n")
            time.sleep(1.2)  # The broker reads it once a second.
            server = subprocess.Popen(
                ["setpriv", "--reuid=4321", "--regid=4321", "--clear-groups", LEAT, "run", "--",
                 "/usr/bin/python3", "-c", LISTEN], env=self.environment,
                stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
            port = server.stdout.readline().strip()
            if not port:
                self.skipTest("another user cannot reach the programs here")
            status, why = self.check(f"127.0.0.1:{port}")
            self.assertEqual((status == 0, "listens there" in why), (shared, True), why)
            server.communicate()



if __name__ == "__main__":
    main()
