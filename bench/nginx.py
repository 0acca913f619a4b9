"""nginx as a server of the benchmark: one worker, a constant answer, nothing written to disk."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

CONFIGURATION = """
daemon off;
worker_processes 1;
worker_rlimit_nofile {descriptors};
error_log stderr crit;
pid {folder}/pid;
{user}
events {{ use epoll; worker_connections {descriptors}; multi_accept on; accept_mutex off; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  tcp_nodelay on;
  default_type text/plain;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ return 200 "Hello, World!"; }}
  }}
}}
"""


def find(build):
    """The program, unpacked by ./dev or installed; None without one."""
    return shutil.which("nginx", path=f"{build}/../peers/usr/sbin:{os.environ['PATH']}:/usr/sbin")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children(pid):
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in brackets may hold anything.
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # It has just ended.
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


class Nginx:
    """As harness.Server, but `pid` is the worker's."""

    def __init__(self, name, program, place, descriptors):
        self.name = name
        self.folder = tempfile.TemporaryDirectory()
        self.port = free_port()
        path = pathlib.Path(self.folder.name, "nginx.conf")
        path.write_text(CONFIGURATION.format(
            folder=self.folder.name, port=self.port, descriptors=descriptors,
            # As root the worker would become another user, and could not use its folder.
            user="user root;" if os.geteuid() == 0 else ""), encoding="utf-8")
        command = [program, "-e", "stderr", "-p", self.folder.name, "-c", path]
        self.process = subprocess.Popen(command, preexec_fn=place.starter(place.server_cpus()))
        self.version = "nginx " + version_of(program)
        try:
            self.pid = self.wait_for_worker()
        except RuntimeError:
            self.stop()
            raise

    def wait_for_worker(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            workers = children(self.process.pid)
            with socket.socket() as probe:
                if workers and probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return workers[0]
            time.sleep(0.02)
        raise RuntimeError("nginx did not start")

    @property
    def target(self):
        return ["--target", f"{self.port}:{self.pid}"]

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def version_of(program):
    text = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
    return re.search(r"nginx/(\S+)", text).group(1)
