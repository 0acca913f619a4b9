"""`run.py smc`: the rows. Each knows its server, its client and what the client's words mean."""

import csv
import io
import json
import pathlib
import re
import subprocess
import time

from nginx import free_port
from smc_modes import LEAT, QUIET, SPIN, TCP, UNIX, Client, Running

NETWORK = (TCP, SPIN, LEAT, QUIET)
ALL = NETWORK + (UNIX,)
VALUE = 1024

NGINX = """
daemon off;
worker_processes 1;
error_log stderr crit;
pid {folder}/pid;
user root;
events {{ use epoll; worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  sendfile on;
  tcp_nopush on;
  default_type text/plain;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{ listen {listen}; root {folder}; }}
}}
"""


class Turn:
    """What a turn says: `value` in the row's unit, messages, CPU time of the client."""

    def __init__(self, value, messages, client_ns):
        self.value = value
        self.messages = messages
        self.client_ns = client_ns


class Row:
    """`more` is better, or less. `payload` bytes a message at least go through rings in Leat's turns,
    both directions together; None where connections are too short to earn one."""

    title = unit = ""
    modes = NETWORK
    more = True
    payload = None
    goals = ()       # (mode, beside, at least so many times better)
    kernel = ""      # What the kernel's SMC-D gained over TCP on the same test.
    needs = ()
    per = "message"  # What CPU time is divided by.

    def __init__(self, ways):
        self.ways = ways
        self.sizes = {}  # Requests a second that a turn is made for, by mode; learnt at the start.

    def start(self, mode):
        raise NotImplementedError

    def turn(self, server, seconds):
        raise NotImplementedError

    def ask(self, server, words, seconds):
        return Client(self.ways, server.mode, words, 30 + 10 * seconds)

    def folder(self, server_mode):
        folder = self.ways.folder / re.sub(r"\W+", "-", f"{self.title} {server_mode}")
        folder.mkdir(exist_ok=True)
        return folder

    def started(self, mode, words, address):
        server = Running(self.ways, mode, words, address)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and server.process.poll() is None:
            if is_open(address):
                return server
            time.sleep(0.02)
        server.stop()
        raise RuntimeError(f"{words[0]} did not start under {mode}")


def is_open(address):
    """Whether somebody listens there. Looked up, not tried: a connection would count as one served."""
    if isinstance(address, str):
        return pathlib.Path(address).is_socket()
    wanted = f":{address:04X} "
    return any(" 0A " in line and wanted in line.split(":", 1)[1][:24]
               for table in ("tcp", "tcp6") for line in open(f"/proc/net/{table}", encoding="ascii"))


class Sockperf(Row):
    needs = ("sockperf",)

    def start(self, mode):
        port = free_port()
        return self.started(mode, ["sockperf", "server", "--tcp", "-i", "127.0.0.1", "-p", port], port)

    def sockperf(self, server, test, size, seconds):
        client = self.ask(server, ["sockperf", test, "--tcp", "-i", "127.0.0.1", "-p", server.address,
                                   "-m", size, "-t", max(1, round(seconds))], seconds)
        sent = int(re.search(r"\[Total Run\].*?SentMessages=(\d+)|Total of (\d+) messages sent",
                             client.output).expand(r"\1\2"))
        return client, sent


class SockperfPingPong(Sockperf):
    title, unit, more, payload = "sockperf ping-pong, 14 B", "us", False, 28
    kernel = "-44 % time"
    goals = ((LEAT, TCP, 8), (LEAT, SPIN, 5), (QUIET, TCP, 1.8))

    def turn(self, server, seconds):
        client, sent = self.sockperf(server, "pp", 14, seconds)
        latency = float(re.search(r"Summary: Latency is ([\d.]+) usec", client.output).group(1))
        return Turn(latency, sent, client.cpu_ns)


class SockperfThroughput(Sockperf):
    title, unit, payload = "sockperf throughput, 64,000 B", "MB/s", 64000
    kernel = "+67 %"

    def turn(self, server, seconds):
        client, sent = self.sockperf(server, "tp", 64000, seconds)
        rate = float(re.search(r"BandWidth is ([\d.]+) MBps", client.output).group(1))
        return Turn(rate, sent, client.cpu_ns)


class Closed(Row):
    """Rows of bench/smc/request_client.c: one program for TCP and UNIX sockets."""

    unit, modes, connections = "/s", ALL, 1

    def request(self):
        raise NotImplementedError

    def response(self):
        raise NotImplementedError

    def turn(self, server, seconds):
        folder = self.folder(server.mode)
        (folder / "request").write_bytes(self.request())
        (folder / "response").write_bytes(self.response())
        kind = "unix" if server.mode == UNIX else "tcp"
        client = self.ask(server, [self.ways.programs / "bench_request_client",
                                   f"{kind}:{server.address}", self.connections, seconds,
                                   folder / "request", folder / "response"], seconds)
        count, took = client.output.split()
        return Turn(int(count) / float(took), int(count), client.cpu_ns)


class Exchange(Closed):
    def __init__(self, ways, size=100, answer=100):
        super().__init__(ways)
        self.size, self.answer = size, answer
        self.payload = size + answer
        if answer == size:
            self.title = f"{size} B there and back, blocking (ipc-bench)"
            self.kernel = "+86 %"
            self.goals = ((LEAT, TCP, 8), (LEAT, SPIN, 5), (QUIET, TCP, 1.8))
        else:
            self.title = f"{size // 1024} KiB in one write, {answer} B back, blocking"

    def request(self):
        return b"0123456789" * (self.size // 10) + bytes(b"x") * (self.size % 10)

    def response(self):
        return self.request()[:self.answer]

    def start(self, mode):
        server = Running(self.ways, mode,
                         [self.ways.programs / "bench_exchange_server",
                          "unix" if mode == UNIX else "tcp", self.folder(mode) / "socket",
                          self.size, self.answer], None, subprocess.PIPE)
        word = server.process.stdout.readline().strip()
        if not word:
            server.stop()
            raise RuntimeError(f"the exchange server did not start under {mode}")
        server.address = word if mode == UNIX else int(word)
        return server


class Redis(Row):
    unit, modes, needs, per = "/s", ALL, ("redis-server", "redis-benchmark"), "request"

    def __init__(self, ways, test, clients, pipeline=1):
        super().__init__(ways)
        self.test, self.clients, self.pipeline = test, clients, pipeline
        self.title = (f"redis {test.upper()}, 1 KiB, {clients} client{'s' * (clients > 1)}"
                      + (f", {pipeline} pipelined" if pipeline > 1 else ""))
        self.payload = VALUE
        self.kernel = ("+35 % GET, +38 % SET" if clients > 1 and pipeline == 1 else "")
        if pipeline == 1:
            self.goals = ((LEAT, TCP, 5 if clients == 1 else 1.7),)

    def start(self, mode):
        path = self.folder(mode) / "socket"
        path.unlink(missing_ok=True)
        port = 0 if mode == UNIX else free_port()
        words = [self.ways.find("redis-server"), "--save", "", "--appendonly", "no", "--loglevel",
                 "warning", "--dir", self.folder(mode), "--bind", "127.0.0.1", "--port", port]
        if mode == UNIX:
            words += ["--unixsocket", path]
        server = self.started(mode, words, str(path) if mode == UNIX else port)
        self.benchmark(server, "set", 2000, 1)
        if mode not in self.sizes:
            rate, _ = self.benchmark(server, self.test, 2000, 1)
            rate, _ = self.benchmark(server, self.test, max(2000, round(rate * 0.3)), 1)
            self.sizes[mode] = rate
        return server

    def benchmark(self, server, test, count, seconds):
        where = ["-s", server.address] if server.mode == UNIX else ["-p", server.address]
        client = self.ask(server, ["redis-benchmark", *where, "-t", test, "-c", self.clients, "-P",
                                   self.pipeline, "-d", VALUE, "-n", count, "--csv"], seconds)
        rows = list(csv.reader(io.StringIO(client.output)))
        return float(rows[-1][1]), client.cpu_ns

    def turn(self, server, seconds):
        count = max(2000, round(self.sizes[server.mode] * seconds))
        rate, cpu_ns = self.benchmark(server, self.test, count, seconds)
        return Turn(rate, count, cpu_ns)


class Nginx(Row):
    unit, needs, per = "/s", ("nginx", "wrk"), "request"
    connections = 50

    def start(self, mode):
        folder = self.folder(mode)
        (folder / "index.txt").write_bytes(b"leat" * (VALUE // 4))
        path = folder / "socket"
        path.unlink(missing_ok=True)
        port = free_port()
        (folder / "conf").write_text(NGINX.format(
            folder=folder, listen=f"unix:{path}" if mode == UNIX else f"127.0.0.1:{port}"))
        return self.started(mode, [self.ways.find("nginx"), "-e", "stderr", "-p", folder, "-c",
                                   folder / "conf"], str(path) if mode == UNIX else port)

    def wrk(self, server, seconds, *headers):
        client = self.ask(server, ["wrk", "-t", 1, "-c", self.connections, "-d",
                                   f"{max(1, round(seconds))}s", *headers,
                                   f"http://127.0.0.1:{server.address}/index.txt"], seconds)
        if "Non-2xx" in client.output or re.search(r"Socket errors: .*[1-9]", client.output):
            raise RuntimeError("wrk met errors: " + client.output[-300:])
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", client.output).group(1))
        count = int(re.search(r"(\d+) requests in", client.output).group(1))
        return Turn(rate, count, client.cpu_ns)


class NginxKept(Nginx):
    title, payload = "nginx and wrk, 1 KiB file, 50 kept connections", VALUE
    kernel = "+34 %"
    goals = ((LEAT, TCP, 1.5),)

    def turn(self, server, seconds):
        return self.wrk(server, seconds)


class NginxClosed(Nginx):
    title = "nginx and wrk, 1 KiB file, a connection for each request"

    def turn(self, server, seconds):
        return self.wrk(server, seconds, "-H", "Connection: close")


class NginxBoth(Nginx, Closed):
    """wrk has no UNIX sockets, so the same by a client that has."""

    title, payload, modes, needs = "nginx, 1 KiB file, 16 kept connections of our client", VALUE, ALL, ("nginx",)
    connections = 16

    def request(self):
        return b"GET /index.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def response(self):
        return self.learnt

    def turn(self, server, seconds):
        self.learnt = self.learn(server)
        return Closed.turn(self, server, seconds)

    def learn(self, server):
        """A whole response, its date and that of the file blanked; asked outside of Leat."""
        where = ["--unix-socket", server.address] if server.mode == UNIX else []
        host = "localhost" if server.mode == UNIX else f"127.0.0.1:{server.address}"
        done = subprocess.run(["curl", "-sS", "-i", *where, f"http://{host}/index.txt"], check=True,
                              capture_output=True)
        return re.sub(rb"(?m)^(Date|Last-Modified|ETag): (.*)\r$",
                      lambda found: found[1] + b": " + bytes(len(found[2])) + b"\r", done.stdout)


class Memcached(Closed):
    needs, per = ("memcached",), "request"

    def __init__(self, ways, connections):
        super().__init__(ways)
        self.connections = connections
        self.title = f"memcached get, 1 KiB, {connections} connection{'s' * (connections > 1)}"
        self.payload = VALUE

    def request(self):
        return b"get leat\r\n"

    def response(self):
        return b"VALUE leat 0 %d\r\n%s\r\nEND\r\n" % (VALUE, b"v" * VALUE)

    def start(self, mode):
        path, port = self.folder(mode) / "socket", free_port()
        path.unlink(missing_ok=True)
        where = ["-s", path] if mode == UNIX else ["-l", "127.0.0.1", "-p", port]
        server = self.started(mode, [self.ways.find("memcached"), "-u", "root", "-U", 0, "-t", 2,
                                     *where], str(path) if mode == UNIX else port)
        (self.ways.folder / "set").write_bytes(b"set leat 0 0 %d\r\n%s\r\n" % (VALUE, b"v" * VALUE))
        (self.ways.folder / "stored").write_bytes(b"STORED\r\n")
        self.ask(server, [self.ways.programs / "bench_request_client",
                          f"{'unix' if mode == UNIX else 'tcp'}:{server.address}", 1, 0,
                          self.ways.folder / "set", self.ways.folder / "stored"], 1)
        return server


class Iperf(Row):
    title, unit, payload, needs, per = "iperf3", "Gbit/s", 2**20, ("iperf3",), "MiB"
    kernel = "+78 % (an early version)"
    goals = ((LEAT, TCP, 2.5),)

    def start(self, mode):
        port = free_port()
        return self.started(mode, ["iperf3", "-s", "-B", "127.0.0.1", "-p", port], port)

    def turn(self, server, seconds):
        client = self.ask(server, ["iperf3", "-c", "127.0.0.1", "-p", server.address, "-J", "-t",
                                   max(1, round(seconds))], seconds)
        received = json.loads(client.output)["end"]["sum_received"]
        return Turn(received["bits_per_second"] / 1e9, received["bytes"] / 2**20, client.cpu_ns)


def rows(ways, text):
    """The rows whose title has `text`, and why others cannot be."""
    every = [SockperfPingPong(ways), Exchange(ways), SockperfThroughput(ways),
             Exchange(ways, 2**20, 1), Iperf(ways),
             Redis(ways, "get", 1), Redis(ways, "set", 1), Redis(ways, "get", 50),
             Redis(ways, "set", 50), Redis(ways, "get", 50, 16), Redis(ways, "set", 50, 16),
             NginxKept(ways), NginxBoth(ways), NginxClosed(ways), Memcached(ways, 1), Memcached(ways, 50)]
    wanted = [row for row in every if text in row.title]
    absent = {row.title: [name for name in row.needs if not ways.find(name)] for row in wanted}
    return ([row for row in wanted if not absent[row.title]],
            {title: names for title, names in absent.items() if names})
