"""leat path from outside: what it prints, and what it says where something is wrong."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

LEAT = os.environ["LEAT"]
MACHINES = pathlib.Path(__file__).parent.parent / "host" / "machines"
IS_ROOT = os.geteuid() == 0


def path(*args, **options):
    return subprocess.run([LEAT, "path", *map(str, args)], capture_output=True, text=True, timeout=60,
                          check=False, **options)


def namespace(script, *args):
    """Runs a shell script in a network namespace with a /sys of its own; $1 is the command."""
    prefix = ["unshare", "--net", "--mount", "sh", "-c", "mount -t sysfs sysfs /sys && ip link set lo up && " + script]
    return subprocess.run([*prefix, "sh", LEAT, *args], capture_output=True, text=True, timeout=60, check=False)


class Path(unittest.TestCase):
    def test_every_machine_fits_eighty_columns(self):
        for machine in sorted(MACHINES.glob("*.json")):
            out = path("--replay", machine)
            self.assertEqual(out.returncode, 0, out.stderr)
            wide = [line for line in out.stdout.splitlines() if len(line) > 80]
            self.assertEqual(wide, [], machine.name)
            self.assertIn("rx-0", out.stdout)

    def test_marks_stand_in_place(self):
        lines = path("--replay", MACHINES / "virtio_two_queues.json").stdout.splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("    rx-1"))
        self.assertIn("!  its interrupt 27 is on CPU 1, like that of rx-0", lines[at + 2])
        self.assertIn("[irq.rx-1]", lines[at + 3])

    def test_json_has_the_same(self):
        out = json.loads(path("--json", "--replay", MACHINES / "ice.json").stdout)
        device = next(d for d in out["devices"] if d["name"] == "ens785f0")
        self.assertEqual(len(device["receive_queues"]), 64)
        self.assertEqual(device["rings"]["rx_max"], 8160)
        self.assertIn("arfs-no-flow-count", [f["rule"] for f in out["findings"]])
        self.assertEqual(len(out["sockets"]), 8)

    def test_a_recording_replays_to_the_same_tree(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "machine.json"
            live = path("lo", "--record", file)
            self.assertEqual(live.returncode, 0, live.stderr)
            self.assertTrue(json.loads(file.read_text())["label"].startswith("recorded on"))
            self.assertEqual(path("lo", "--replay", file).stdout, live.stdout)

    def test_targets(self):
        machine = ["--replay", MACHINES / "virtio_two_queues.json"]
        for target in [":80", "300"]:
            out = path(target, *machine)
            self.assertEqual(out.returncode, 0, out.stderr)
            self.assertIn("Sockets  4", out.stdout)
        self.assertIn("Sockets  0", path(":81", *machine).stdout)
        self.assertNotIn("lo  loopback", path("eth0", *machine).stdout)
        gone = path("4711", *machine)
        self.assertEqual(gone.returncode, 1)
        self.assertEqual(gone.stderr, "leat path: process 4711: No such process\n")

    def test_bad_input(self):
        for args, status, message in [
                (["nosuch0"], 1, 'leat path: device "nosuch0": No such device\n'),
                (["a\x1b[2J"], 1, 'leat path: device "a?[2J": No such device\n'),
                (["x" * 500], 1, None), (["../../etc"], 1, None),
                ([":0"], 2, None), ([":99999"], 2, None), ([":"], 2, None), (["eth0", "eth1"], 2, None),
                (["--replay", "/nonexistent"], 1, "leat path: open /nonexistent: No such file or directory\n"),
                (["--replay", "/etc/passwd"], 1, None), (["--replay", "/"], 1, None),
                (["--record", "/nonexistent/file"], 1, None)]:
            out = path(*args)
            self.assertEqual(out.returncode, status, args)
            self.assertEqual(out.stdout, "", args)
            self.assertTrue(out.stderr.startswith("leat path: "), out.stderr)
            self.assertNotIn("\x1b", out.stderr)
            if message:
                self.assertEqual(out.stderr, message)

    def test_a_full_disk(self):
        out = path("lo", "--record", "/dev/full")
        self.assertEqual(out.returncode, 1)
        self.assertEqual(out.stderr, "leat path: write /dev/full: No space left on device\n")

    def test_a_pipe_that_closes(self):
        out = subprocess.run(["sh", "-c", f"'{LEAT}' path --json | head -c 10"], capture_output=True, text=True,
                             timeout=60, check=False)
        self.assertEqual(out.returncode, 0)

    @unittest.skipUnless(IS_ROOT, "needs root, to become nobody")
    def test_without_rights(self):
        out = path("--json", user=65534, group=65534, extra_groups=[])
        self.assertEqual(out.returncode, 0, out.stderr)
        machine = json.loads(out.stdout)
        self.assertGreater(machine["processes_unreadable"], 0)
        self.assertTrue(machine["devices"])
        tree = path(user=65534, group=65534, extra_groups=[])
        self.assertIn("needs CAP_SYS_PTRACE", " ".join(tree.stdout.split()))

    @unittest.skipUnless(IS_ROOT, "needs root, for namespaces")
    def test_a_hostile_name(self):
        out = namespace("ip link add \"$(printf 'a\\033[2Jb')\" type veth peer name peer0 && \"$1\" path")
        if "RTNETLINK" in out.stderr or "Error" in out.stderr:
            self.skipTest(out.stderr)
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertNotIn("\x1b", out.stdout)
        self.assertIn("a\\x1b[2Jb  veth", out.stdout)

    @unittest.skipUnless(IS_ROOT, "needs root, for namespaces")
    def test_sockets_of_a_namespace(self):
        script = ("python3 -c \"import socket,subprocess,sys\n"
                  "servers = []\n"
                  "for i in range(3):\n"
                  "  s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
                  "  s.bind(('127.0.0.1', 7070)); s.listen(17); servers.append(s)\n"
                  "c = socket.create_connection(('127.0.0.1', 7070))\n"
                  "sys.exit(subprocess.run([sys.argv[1], 'path', ':7070', '--json']).returncode)\" \"$1\"")
        out = namespace(script)
        self.assertEqual(out.returncode, 0, out.stderr)
        machine = json.loads(out.stdout)
        listening = [s for s in machine["sockets"] if s["listening"]]
        self.assertEqual(len(listening), 3)
        self.assertEqual(sum(s["receive_queue"] for s in listening), 1)
        self.assertEqual(listening[0]["send_queue"], 17)
        self.assertEqual(machine["reuseport_groups"], [[machine["sockets"].index(s) for s in listening]])
        self.assertEqual([o["name"] for o in machine["owners"]], ["python3"])
        self.assertTrue(all(s["owners"] == [0] for s in listening))


if __name__ == "__main__":
    unittest.main()
