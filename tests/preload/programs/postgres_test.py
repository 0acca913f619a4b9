#!/usr/bin/env python3
"""PostgreSQL under Leat: a process for each connection, pgbench, COPY both ways, a backend that is killed."""

import os
import random
import signal
import subprocess
import time

from harness import ProgramTest, World, await_true, find, free_port, main

NOBODY = 65534  # PostgreSQL refuses to run as root.


class Postgres(ProgramTest):
    def postgres(self, world, leat):
        port = free_port()
        data = world.folder / "data"
        world.run(False, [find("initdb"), "-D", data, "-A", "trust", "-U", "leat", "--no-sync", "--no-locale"])
        world.start(leat, [find("postgres"), "-D", data, "-p", port, "-k", "", "-h", "127.0.0.1",
                           "-c", "jit=off", "-c", "fsync=off", "-c", "shared_buffers=16MB"], port)
        return port

    def on_each_side(self, check, sides=("both", "server", "client")):
        for name in sides:
            with self.subTest(leat=name), World(user=NOBODY) as world:
                check(world, name, name != "client", name != "server")

    def test_transactions_and_copies(self):
        def check(world, sides, server, client):
            port = self.postgres(world, server)
            where = ["-h", "127.0.0.1", "-p", str(port), "-U", "leat", "postgres"]
            psql = [find("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where]
            await_true(lambda: world.run(False, [*psql, "-c", "select 1"], check=False) == "1\n", "it answers")
            world.run(client, [find("pgbench"), "-i", "-s", "1", "-q", *where])
            said = world.run(client, [find("pgbench"), "-c", "8", "-j", "2", "-t", "150", *where])
            self.assertIn("number of transactions actually processed: 1200/1200", said)
            # The sums of pgbench's four tables agree if no transaction was lost or doubled.
            sums = world.run(client, [*psql, "-c", "select (select sum(abalance) from pgbench_accounts) = "
                                      "(select sum(bbalance) from pgbench_branches), "
                                      "(select count(*) from pgbench_history)"])
            self.assertEqual(sums, "t|1200\n")
            # 20 MB in and out by COPY.
            dice = random.Random(5)
            lines = "".join(f"{i}\t{dice.randbytes(500).hex()}\n" for i in range(20_000))
            world.run(client, [*psql, "-c", "create table copied(i int, t text)"])
            world.run(client, [*psql, "-c", "copy copied from stdin"], input=lines)
            said = world.run(client, [*psql, "-c", "copy (select * from copied order by i) to stdout"])
            self.assertEqual(said, lines)
            self.judge(world, sides, 16, 20_000_000)
        self.on_each_side(check)

    def test_a_backend_is_killed(self):
        """The postmaster ends every backend then; clients see it and can come again."""
        def check(world, _, server, client):
            port = self.postgres(world, server)
            where = ["-h", "127.0.0.1", "-p", str(port), "-U", "leat", "postgres"]
            psql = [find("psql"), "-X", "-q", "-A", "-t", *where]
            await_true(lambda: world.run(False, [*psql, "-c", "select 1"], check=False) == "1\n", "it answers")
            client_process = subprocess.Popen(world.words(client, psql), env=world.environment(),
                                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                              stderr=subprocess.PIPE, text=True)
            with client_process as held:
                # Enough calls for rings before the kill.
                held.stdin.write("select 1;\n" * 100 + "select pg_backend_pid();\n")
                held.stdin.flush()
                said = [held.stdout.readline() for _ in range(101)]
                self.assertEqual(said[:100], ["1\n"] * 100)
                held.stdin.write("select pg_sleep(50);\n")
                held.stdin.flush()
                time.sleep(0.3)
                began = time.monotonic()
                os.kill(int(said[100]), signal.SIGKILL)
                held.stdin.close()
                self.assertIn("server closed the connection unexpectedly", held.stderr.read())
                self.assertLess(time.monotonic() - began, 5)
            await_true(lambda: world.run(client, [*psql, "-c", "select 2"], check=False) == "2\n", "it is back")
            self.judge(world, "both", 2, 1000)
        self.on_each_side(check, ("both",))


if __name__ == "__main__":
    main()
