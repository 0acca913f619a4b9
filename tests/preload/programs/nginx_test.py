#!/usr/bin/env python3
"""nginx under Leat: master and workers, sendfile, a proxy to a backend over kept connections, reload."""

import hashlib
import os
import pathlib
import random
import signal
import subprocess
import time

from harness import ProgramTest, await_true, find, free_port, main

CONFIGURATION = """
daemon off;
worker_processes {workers};
error_log stderr warn;
pid {folder}/pid;
{user}
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile {sendfile};
  tcp_nopush on;
  default_type application/octet-stream;
  keepalive_requests 100000;
  client_max_body_size 100m;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {http}
}}
"""
FILES = "server {{ listen 127.0.0.1:{port}; root {root}; }}"
PROXY = """
  upstream behind {{ server 127.0.0.1:{behind}; keepalive 8; }}
  server {{ listen 127.0.0.1:{port};
    location / {{ proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
"""
SIZES = (0, 1, 1000, 16_384, 70_000, 1_000_003, 30_000_000)


class Nginx(ProgramTest):
    def nginx(self, world, leat, name, http, workers=2, sendfile="on"):
        folder = world.folder / name
        folder.mkdir()
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "conf").write_text(CONFIGURATION.format(
            folder=folder, workers=workers, user=user, sendfile=sendfile, http=http), encoding="utf-8")
        port = int(http.split("listen 127.0.0.1:", 1)[1].split(";")[0])
        return world.start(leat, [find("nginx"), "-e", "stderr", "-p", folder, "-c", folder / "conf"], port)

    def root(self, world):
        """Files of all sizes and their checksums."""
        root = world.folder / "root"
        root.mkdir()
        sums = {}
        for size in SIZES:
            data = random.Random(size).randbytes(size)
            (root / f"f{size}").write_bytes(data)
            sums[size] = hashlib.sha256(data).hexdigest()
        return root, sums

    def fetch_all(self, world, client, port, sums, times=4):
        """One curl that keeps its connection, each file some times; checksums compared."""
        out = world.folder / "out"
        out.mkdir(exist_ok=True)
        words = []
        names = []
        for turn in range(times):
            for size in SIZES:
                names.append((out / f"{turn}.{size}", size))
                words += ["-o", names[-1][0], f"http://127.0.0.1:{port}/f{size}"]
        world.run(client, [find("curl"), "-sS", "--fail", *words])
        for name, size in names:
            self.assertEqual(hashlib.sha256(name.read_bytes()).hexdigest(), sums[size], f"{name}")
            name.unlink()

    def test_files_by_sendfile(self):
        for sendfile in ("on", "off"):
            def check(world, sides, server, client, sendfile=sendfile):
                root, sums = self.root(world)
                port = free_port()
                self.nginx(world, server, "files", FILES.format(port=port, root=root), sendfile=sendfile)
                self.fetch_all(world, client, port, sums)
                self.judge(world, sides, 2, 30_000_000)
            with self.subTest(sendfile=sendfile):
                self.on_each_side(check)

    def test_many_at_once(self):
        def check(world, sides, server, client):
            root, _ = self.root(world)
            port = free_port()
            self.nginx(world, server, "files", FILES.format(port=port, root=root))
            for extra in ([], ["-H", "Connection: close"]):
                said = world.run(client, [find("wrk"), "-t", 2, "-c", 60, "-d", "2s", *extra,
                                          f"http://127.0.0.1:{port}/f1000"])
                self.assertNotIn("Non-2xx", said)
                self.assertNotIn("Socket errors", said)
            self.judge(world, sides, 60, 1_000_000)
        self.on_each_side(check)

    def test_proxy_to_a_backend(self):
        """Three programs: client, proxy, backend. 'server' is the proxy and its backend here."""
        def check(world, sides, server, client):
            root, sums = self.root(world)
            behind, port = free_port(), free_port()
            self.nginx(world, server, "backend", FILES.format(port=behind, root=root))
            self.nginx(world, server, "proxy", PROXY.format(port=port, behind=behind), workers=1)
            self.fetch_all(world, client, port, sums)
            counters = world.counters()
            # Proxy and backend both have Leat, or neither.
            self.assertEqual(counters["shared"] >= 2, server, counters)
            # What the rings had no room for went by TCP, which on a busy machine is more.
            self.assertEqual(counters["ring_bytes"] > 30_000_000, server, counters)
            if sides == "both":
                self.assertGreater(counters["ring_bytes"], 120_000_000, counters)
        self.on_each_side(check)

    def test_uploads_through_the_proxy(self):
        def check(world, _, server, client):
            behind, port = free_port(), free_port()
            echo = (f"server {{ listen 127.0.0.1:{behind}; location / {{ dav_methods PUT; "
                    f"create_full_put_path on; root {world.folder}/put; }} }}")
            (world.folder / "put").mkdir()
            self.nginx(world, server, "backend", echo)
            self.nginx(world, server, "proxy", PROXY.format(port=port, behind=behind), workers=1)
            data = random.Random(7).randbytes(20_000_000)
            (world.folder / "data").write_bytes(data)
            for turn in range(3):
                world.run(client, [find("curl"), "-sS", "--fail", "-T", world.folder / "data",
                                   f"http://127.0.0.1:{port}/up{turn}"])
                put = (world.folder / "put" / f"up{turn}").read_bytes()
                self.assertEqual(hashlib.sha256(put).digest(), hashlib.sha256(data).digest())
        self.on_each_side(check)

    def test_reload_and_upgrade_of_workers(self):
        """SIGHUP under load: old workers drain, new ones serve, no request fails."""
        def check(world, sides, server, client):
            root, _ = self.root(world)
            port = free_port()
            master = self.nginx(world, server, "files", FILES.format(port=port, root=root))
            pid = int(pathlib.Path(world.folder, "files", "pid").read_text(encoding="ascii"))
            self.assertEqual(pid, master.pid)
            log = world.folder / "wrk"
            with log.open("w") as output:
                wrk = subprocess.Popen(
                    world.words(client, [find("wrk"), "-t", 1, "-c", 20, "-d", "3s",
                                         f"http://127.0.0.1:{port}/f1000"]),
                    env=world.environment(), stdout=output, stdin=subprocess.DEVNULL)
            for _ in range(3):
                time.sleep(0.6)
                os.kill(pid, signal.SIGHUP)
            self.assertEqual(wrk.wait(30), 0)
            said = log.read_text(encoding="utf-8")
            self.assertNotIn("Non-2xx", said)
            # wrk counts a kept connection that the old worker closed as a read error only if it was in the
            # middle of a response.
            self.assertRegex(said, r"requests in")
            self.judge(world, sides, 20, 1_000_000)
            os.kill(pid, signal.SIGQUIT)
            await_true(lambda: master.poll() is not None, "nginx ends by SIGQUIT", 15)
            self.assertEqual(master.returncode, 0)
        self.on_each_side(check)


if __name__ == "__main__":
    main()
