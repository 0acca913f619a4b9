#!/usr/bin/env python3
"""A process asleep on a set of many connections, and another that sends on all of them meanwhile.

Run by waiting_test.py under `leat run`. Prints `burst` when the sleeper has been stopped in its sleep and
waits for a line before it sends; then `sent`, waits again, and lets the sleeper go on: what that prints
last is how many messages it has got.
"""

import os
import select
import signal
import socket
import sys
import time

CONNECTIONS = 50
WARM = 20  # Exchanges that earn a connection its rings.


def sleeper(listener):
    listener.settimeout(20)
    socks = [listener.accept()[0] for _ in range(CONNECTIONS)]
    with select.epoll() as epoll:
        by_fd = {sock.fileno(): sock for sock in socks}
        for sock in socks:
            epoll.register(sock, select.EPOLLIN)
        messages = 0
        while messages < CONNECTIONS * (WARM + 1):
            told = epoll.poll(20)
            if not told:
                break
            for fd, _events in told:
                by_fd[fd].recv(100)
                messages += 1
                if messages <= CONNECTIONS * WARM:
                    by_fd[fd].sendall(b"a")
    print(messages - CONNECTIONS * WARM, flush=True)


def state(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0]


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS)
    pid = os.fork()
    if pid == 0:
        sleeper(listener)
        os._exit(0)
    socks = [socket.create_connection(listener.getsockname()) for _ in range(CONNECTIONS)]
    for _ in range(WARM):
        for sock in socks:
            sock.sendall(b"a")
            sock.recv(100)
    limit = time.monotonic() + 10
    while state(pid) != "S" and time.monotonic() < limit:
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(pid, signal.SIGSTOP)
    print("burst", flush=True)
    sys.stdin.readline()
    for sock in socks:
        sock.sendall(b"a")
    print("sent", flush=True)
    sys.stdin.readline()
    os.kill(pid, signal.SIGCONT)
    os.waitpid(pid, 0)


main()
