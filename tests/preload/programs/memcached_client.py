#!/usr/bin/env python3
"""memcached_client.py PORT CONNECTIONS ROUNDS: sets and gets on threads, and checks each value."""

import random
import socket
import sys
import threading

port, connections, rounds = map(int, sys.argv[1:])
right = []


def work(number):
    dice = random.Random(number)
    with socket.create_connection(("127.0.0.1", port), 30) as s, s.makefile("rb") as answers:
        count = 0
        for i in range(rounds):
            # Most are small; one in twenty is nearly as large as memcached takes.
            size = dice.choice([1, 100, 1024, 9000]) if dice.random() < 0.95 else 900_000
            value = dice.randbytes(min(size, 9000)) * max(1, size // 9000)
            s.sendall(b"set k%d.%d 0 0 %d\r\n%s\r\n" % (number, i % 10, len(value), value))
            assert answers.readline() == b"STORED\r\n"
            s.sendall(b"get k%d.%d\r\n" % (number, i % 10))
            assert answers.readline() == b"VALUE k%d.%d 0 %d\r\n" % (number, i % 10, len(value))
            assert answers.read(len(value)) == value
            assert answers.readline() == b"\r\n" and answers.readline() == b"END\r\n"
            count += 1
    right.append(count)


threads = [threading.Thread(target=work, args=(n,)) for n in range(connections)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sum(right), "values right")
