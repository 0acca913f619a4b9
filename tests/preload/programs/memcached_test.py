#!/usr/bin/env python3
"""memcached with four threads under Leat, talked to by many connections at once."""

import pathlib
import sys

from harness import ProgramTest, find, free_port, main

CLIENT = pathlib.Path(__file__).with_name("memcached_client.py")


class Memcached(ProgramTest):
    def test_values_of_many_connections(self):
        def check(world, sides, server, client):
            port = free_port()
            world.start(server, [find("memcached"), "-u", "root", "-l", "127.0.0.1", "-p", port, "-t", 4,
                                 "-U", 0, "-m", 256], port)
            said = world.run(client, [sys.executable, CLIENT, port, 24, 400])
            self.assertEqual(said.strip(), f"{24 * 400} values right")
            self.judge(world, sides, 48, 20_000_000)
        self.on_each_side(check)


if __name__ == "__main__":
    main()
