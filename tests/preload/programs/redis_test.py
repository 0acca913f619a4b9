#!/usr/bin/env python3
"""redis-server under Leat: values survive, pipelines too, a big value and a subscriber."""

import hashlib
import re
import subprocess

from harness import ProgramTest, await_true, find, free_port, main

COUNT = 3000


def value(i):
    return hashlib.sha256(str(i).encode()).hexdigest() * (1 + i % 40)


class Redis(ProgramTest):
    def redis(self, world, leat):
        port = free_port()
        world.start(leat, [find("redis-server"), "--port", port, "--bind", "127.0.0.1", "--save", "",
                           "--appendonly", "no", "--dir", world.folder], port)
        return port

    def test_values_come_back_as_they_went(self):
        def check(world, sides, server, client):
            port = self.redis(world, server)
            cli = [find("redis-cli"), "-p", port]
            wanted = "".join(f"SET key{i} {value(i)}\n" for i in range(COUNT))
            said = world.run(client, cli, input=wanted)
            self.assertEqual(said.split(), ["OK"] * COUNT)
            said = world.run(client, cli, input="".join(f"GET key{i}\n" for i in range(COUNT)))
            self.assertEqual(said.split(), [value(i) for i in range(COUNT)])
            self.judge(world, sides, 4, 2_000_000)
        self.on_each_side(check)

    def test_big_values(self):
        def check(world, sides, server, client):
            port = self.redis(world, server)
            cli = [find("redis-cli"), "-p", port]
            big = "".join(value(i) for i in range(5000))  # 6.5 MB, more than a ring holds
            self.assertEqual(world.run(client, [*cli, "-x", "SET", "big"], input=big).strip(), "OK")
            # One connection, that has earned its rings when the big values come.
            said = world.run(client, cli, input="PING\n" * 100 + "GET big\n" * 3).split()
            self.assertEqual(said[:100], ["PONG"] * 100)
            self.assertTrue(said[100:] == [big] * 3)
            self.judge(world, sides, 2, 3_000_000)
        self.on_each_side(check)

    def test_benchmark_of_all_commands(self):
        def check(world, sides, server, client):
            port = self.redis(world, server)
            for extra in (["-c", 1, "-n", 1000], ["-c", 50, "-n", 5000], ["-c", 50, "-n", 5000, "-P", 16]):
                said = world.run(client, [find("redis-benchmark"), "-p", port, "-q", "-t",
                                          "set,get,incr,lpush,lpop,mset", "-d", 1024, *extra])
                self.assertEqual(len(re.findall(r"requests per second", said)), 6, said)
            self.judge(world, sides, 100, 10_000_000)
        self.on_each_side(check)

    def test_a_subscriber_that_sleeps_is_woken(self):
        def check(world, sides, server, client):
            port = self.redis(world, server)
            listener = subprocess.Popen(
                world.words(client, [find("redis-cli"), "-p", port, "SUBSCRIBE", "news"]),
                env=world.environment(), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
            try:
                said = [listener.stdout.readline() for _ in range(3)]
                self.assertEqual(said[1], "news\n")
                cli = [find("redis-cli"), "-p", port]
                # Two hundred, for a connection must earn its rings; the subscriber sleeps between them.
                orders = "".join(f"PUBLISH news {value(i)}\n" for i in range(200))
                self.assertEqual(world.run(client, cli, input=orders).split(), ["1"] * 200)
                for i in range(200):
                    said = [listener.stdout.readline() for _ in range(3)]
                    self.assertEqual(said, ["message\n", "news\n", value(i) + "\n"])
            finally:
                listener.kill()
                listener.wait()
                listener.stdout.close()
            self.judge(world, sides, 2, 10_000)
        self.on_each_side(check)

    def test_replica(self):
        """Two servers that talk to each other, then the primary is killed."""
        def check(world, sides, server, client):
            primary, replica = self.redis(world, server), free_port()
            cli = [find("redis-cli"), "-p"]
            world.run(client, [*cli, primary], input="".join(f"SET key{i} {value(i)}\n" for i in range(COUNT)))
            world.start(client, [find("redis-server"), "--port", replica, "--bind", "127.0.0.1", "--save", "",
                                 "--dir", world.folder, "--replicaof", "127.0.0.1", primary,
                                 "--repl-diskless-sync-delay", 0], replica)
            await_true(lambda: "master_link_status:up" in world.run(False, [*cli, replica, "INFO", "replication"]),
                       "the replica follows")
            world.run(client, [*cli, primary], input="".join(f"SET more{i} {value(i)}\n" for i in range(COUNT)))
            await_true(lambda: world.run(False, [*cli, replica, "DBSIZE"]).strip() == str(2 * COUNT),
                       "all came to the replica")
            said = world.run(client, [*cli, replica], input="".join(f"GET more{i}\n" for i in range(COUNT)))
            self.assertEqual(said.split(), [value(i) for i in range(COUNT)])
            world.servers[0].kill()
            await_true(lambda: "master_link_status:down" in
                       world.run(False, [*cli, replica, "INFO", "replication"]),
                       "the replica sees the primary's death", 10)
        self.on_each_side(check)


if __name__ == "__main__":
    main()
