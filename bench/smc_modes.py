"""`run.py smc`: the ways a program and its client are started, and what a turn of them costs."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading

from nginx import children

TCP, SPIN, LEAT, QUIET, UNIX = "plain TCP", "spinning TCP", "Leat", "Leat, no spin", "UNIX socket"


class Ways:
    """How each mode wraps a command. Leat has a folder of its own, so its counters are of this run."""

    def __init__(self, build, pin=False):
        cpus = sorted(os.sched_getaffinity(0))
        self.server_cpus, self.client_cpus = ({cpus[-1]}, {cpus[0]}) if pin else (cpus, cpus)
        self.leat = pathlib.Path(build, "apps", "leat", "leat").resolve()
        self.programs = pathlib.Path(build, "bench", "smc").resolve()
        self.spin = self.programs / "libbench_spin_tcp.so"
        self.path = f"{pathlib.Path(build).resolve().parent}/peers/usr/bin:{os.environ['PATH']}:/usr/sbin"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="leat-bench-"))
        self.tools = self.folder / "tools"
        self.tools.mkdir()

    def find(self, name):
        """A program installed or unpacked by ./dev; None without one."""
        if name == "redis-server" and not shutil.which(name, path=self.path):
            # Debian's redis-tools has the server's program under another name; it goes by how it is called.
            same = shutil.which("redis-check-rdb", path=self.path)
            link = self.tools / name
            if same and not link.exists():
                link.symlink_to(same)
            return str(link) if same else None
        return shutil.which(name, path=self.path)

    def environment(self, mode):
        plain = {name: value for name, value in os.environ.items()
                 if name != "LD_PRELOAD" and (name == "LEAT_PRELOAD" or not name.startswith("LEAT"))}
        if mode == SPIN:
            return {**plain, "LD_PRELOAD": str(self.spin)}
        if mode in (LEAT, QUIET):
            plain["LEAT_DIR"] = str(self.folder / ("leat" if mode == LEAT else "quiet"))
        if mode == QUIET:
            plain["LEAT_SPIN"] = "off"
        return plain

    def command(self, mode, words):
        words = [str(word) for word in words]
        return [str(self.leat), "run", "--", *words] if mode in (LEAT, QUIET) else words

    def counters(self, mode):
        """Of all that runs or ran in this mode, added up; each of Leat's two has a broker of its own."""
        done = subprocess.run([self.leat, "smc", "stats", "--json"], capture_output=True, text=True,
                              env=self.environment(mode), timeout=20, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"leat smc stats: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def end(self):
        for mode in (LEAT, QUIET):
            with contextlib.suppress(RuntimeError, KeyError, OSError):
                broker = self.counters(mode)["broker_pid"]
                if broker > 1:
                    os.kill(broker, signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)


def on(cpus):
    return lambda: os.sched_setaffinity(0, cpus)


class Running:
    """A server in one of the modes. `address` is its port, or the path of its socket."""

    def __init__(self, ways, mode, words, address, output=subprocess.DEVNULL):
        self.address = address
        self.mode = mode
        self.process = subprocess.Popen(ways.command(mode, words), env=ways.environment(mode),
                                        stdin=subprocess.DEVNULL, stdout=output,
                                        stderr=subprocess.DEVNULL, text=True,
                                        preexec_fn=on(ways.server_cpus))

    def cpu_ns(self):
        """CPU time so far of the process, its threads and its children's."""
        return sum(thread_time(task) for pid in family(self.process.pid)
                   for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"))

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def thread_time(task):
    try:
        return int(task.read_text(encoding="ascii").split()[0])
    except OSError:
        return 0  # It has just ended.


def family(pid):
    found = [pid]
    for member in found:
        found += children(member)
    return found


class Client:
    """Runs a command to its end: what it printed, and the CPU time that it took."""

    def __init__(self, ways, mode, words, seconds):
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(ways.command(mode, words), env=ways.environment(mode),
                                       stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
                                       preexec_fn=on(ways.client_cpus))
            watchdog = threading.Timer(seconds, process.kill)
            watchdog.start()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            watchdog.cancel()
            output.seek(0)
            errors.seek(0)
            self.output = output.read()
            if process.returncode != 0:
                said = (errors.read() + self.output).strip()[-400:]
                raise RuntimeError(f"{pathlib.Path(str(words[0])).name} ended with "
                                   f"{process.returncode}: {said}")
        self.cpu_ns = round((usage.ru_utime + usage.ru_stime) * 1e9)
