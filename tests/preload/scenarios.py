#!/usr/bin/env python3
"""The two ends of a connection, each a process, and what they see of each other.

Run by semantics_test.py, plain and preloaded: what both print must be the same. `scenarios.py NAME
server` prints its port and serves one connection; `scenarios.py NAME client PORT` connects.
"""

import array
import fcntl
import hashlib
import os
import select
import signal
import socket
import struct
import sys
import tempfile
import termios
import time

from ends import MIB, attempt, digest, exactly, pattern, tell, until_end, warm
import folding


# --- scenarios: (server's, client's) ----------------------------------------------------------


def sizes(sock, is_server):
    for size in [1, 2, 7, 100, 1000, 65535, 65536, 65537, 200000, MIB]:
        if is_server:
            sock.sendall(exactly(sock, size))
        else:
            sock.sendall(pattern(size, size))
            tell(size, exactly(sock, size) == pattern(size, size))


def bulk(sock, is_server):
    if is_server:
        data, how = until_end(sock)
        tell(len(data), digest(data), how)
    else:
        sock.sendall(pattern(40 * MIB))
        sock.close()


def bulk_slow_reader(sock, is_server):
    if is_server:
        time.sleep(0.3)
        data, how = until_end(sock)
        tell(len(data), digest(data), how)
    else:
        sock.sendall(pattern(12 * MIB))
        sock.close()


def bulk_both_ways(sock, is_server):
    sock.setblocking(False)
    out = memoryview(pattern(9 * MIB, is_server))
    got = hashlib.sha256()
    count = 0
    poll = select.poll()
    while out or count < 9 * MIB:
        poll.register(sock, (select.POLLOUT if out else 0) | select.POLLIN)
        for _, events in poll.poll(5000):
            if events & select.POLLOUT and out:
                try:
                    out = out[sock.send(out[: 1 << 17]):]
                except BlockingIOError:
                    pass
            if events & select.POLLIN:
                try:
                    part = sock.recv(1 << 16)
                except BlockingIOError:
                    continue
                count += len(part)
                got.update(part)
    tell(count, got.hexdigest()[:16])


def write_before_read(sock, is_server):
    """Neither reads before it has written: TCP takes that much."""
    sock.sendall(pattern(2 * MIB, is_server))
    tell(digest(exactly(sock, 2 * MIB)))


def flags(sock, is_server):
    if is_server:
        sock.sendall(b"0123456789")
        exactly(sock, 1)
        sock.sendall(b"abc")
        time.sleep(0.2)
        sock.sendall(b"defgh")
        exactly(sock, 1)
        sock.sendall(b"discarded, then kept")
        exactly(sock, 1)
        return
    exactly_ready(sock, 10)
    tell(sock.recv(4, socket.MSG_PEEK), sock.recv(100, socket.MSG_PEEK), sock.recv(100))
    tell(attempt(lambda: sock.recv(1, socket.MSG_DONTWAIT)))
    sock.sendall(b"x")
    tell(sock.recv(8, socket.MSG_WAITALL))
    sock.sendall(b"x")
    exactly_ready(sock, 20)
    tell(len(sock.recv(11, socket.MSG_TRUNC)), sock.recv(100))
    sock.setblocking(False)
    tell(attempt(lambda: sock.recv(1)))
    sock.setblocking(True)
    sock.sendall(b"x")


def exactly_ready(sock, size):
    """Waits until so many bytes can be read, by FIONREAD."""
    waiting = array.array("i", [0])
    for _ in range(1000):
        fcntl.ioctl(sock.fileno(), termios.FIONREAD, waiting)
        if waiting[0] == size:
            return
        time.sleep(0.005)
    tell("only", waiting[0], "of", size)


def vectors(sock, is_server):
    if is_server:
        sock.sendmsg([b"ab", b"", b"cdef", b"g" * 70000])
        return
    parts = [bytearray(3), bytearray(0), bytearray(5), bytearray(70000)]
    got = 0
    while got < 70006:
        views = []
        skip = got
        for part in parts:
            views.append(memoryview(part)[min(skip, len(part)):])
            skip -= min(skip, len(part))
        got += sock.recvmsg_into(views)[0]
    tell(got, digest(b"".join(bytes(part) for part in parts)[:70006]))


def half_close(sock, is_server):
    if is_server:
        data, how = until_end(sock)
        tell(len(data), how)
        sock.sendall(b"late answer" * 10000)
        sock.shutdown(socket.SHUT_WR)
        return
    sock.sendall(b"question" * 20000)
    sock.shutdown(socket.SHUT_WR)
    tell(attempt(lambda: sock.send(b"x")))
    data, how = until_end(sock)
    tell(len(data), digest(data), how)


def time_limit(sock, is_server):
    if is_server:
        time.sleep(0.5)
        sock.sendall(b"x")
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 200000))
    start = time.monotonic()
    tell(attempt(lambda: os.read(sock.fileno(), 1)))
    tell(0.19 < time.monotonic() - start < 0.4)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 0))
    tell(os.read(sock.fileno(), 1))


def reset_on_unread(sock, is_server):
    if is_server:
        exactly(sock, 1)
        exactly_ready(sock, 100000)
        sock.close()
        return
    sock.sendall(b"x" + b"y" * 100000)
    tell(attempt(lambda: sock.recv(1)))
    tell(attempt(lambda: sock.recv(1)))


def linger(sock, is_server):
    if is_server:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        return
    tell(attempt(lambda: sock.recv(1)))


def peer_killed(sock, is_server):
    if is_server:
        sock.sendall(b"last words")
        sock.recv(1)
        os.kill(os.getpid(), signal.SIGKILL)
    tell(exactly(sock, 10))
    sock.sendall(b"x")
    start = time.monotonic()
    tell(attempt(lambda: sock.recv(1)))
    tell(time.monotonic() - start < 0.3)


def doubled(sock, is_server):
    if is_server:
        other = os.dup(sock.fileno())
        sock.close()
        os.write(other, b"by the copy")
        tell(os.read(other, 5))
        os.close(other)
        return
    tell(exactly(sock, 11))
    sock.sendall(b"close")
    tell(sock.recv(1))


def forked(sock, is_server):
    """A child and its parent take turns on one end."""
    if not is_server:
        for i in range(50):
            sock.sendall(b"%08d" % i)
            tell(exactly(sock, 9))
        return
    for i in range(50):
        child = os.fork()
        if child == 0:
            sock.sendall(b"%c" % (65 + i % 26) + exactly(sock, 8))
            os._exit(0)
        os.waitpid(child, 0)


def killed_children(sock, is_server):
    """Children that share the end die in the middle of a receive: nobody else does."""
    if is_server:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                while True:
                    sock.recv(0)
            time.sleep(0.01)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        sock.sendall(b"go")
        data, how = until_end(sock)
        tell(len(data), digest(data), how)
        return
    exactly(sock, 2)
    sock.sendall(pattern(3 * MIB))


def interrupted(sock, is_server):
    if is_server:
        time.sleep(0.6)
        sock.sendall(b"x")
        return
    seen = []
    signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    tell(sock.recv(1), len(seen) >= 2)
    signal.setitimer(signal.ITIMER_REAL, 0)


def sent_file(sock, is_server):
    wanted = pattern(3 * MIB + 12345)
    if is_server:
        with tempfile.TemporaryFile() as file:
            file.write(wanted)
            file.seek(100)
            sent = 0
            while sent < 1000:
                sent += os.sendfile(sock.fileno(), file.fileno(), None, 1000 - sent)
            tell(file.tell())
            while part := os.sendfile(sock.fileno(), file.fileno(), 100 + sent, 1 << 20):
                sent += part
        return
    data, how = until_end(sock)
    tell(data == wanted[100:], how)


SCENARIOS = {f.__name__: f for f in [
    sizes, bulk, bulk_slow_reader, bulk_both_ways, write_before_read, flags, vectors, half_close,
    time_limit, reset_on_unread, linger, peer_killed, doubled, forked, killed_children, interrupted,
    sent_file] + folding.SCENARIOS}



def main():
    name, side = sys.argv[1:3]
    if side == "heir" and name == "executed_set":
        return folding.heir_of_set(socket.socket(fileno=int(sys.argv[3])), int(sys.argv[4]))
    if side == "heir" and name == "executed_late":
        return folding.late_heir(socket.socket(fileno=int(sys.argv[3])))
    if side == "heir":
        return folding.heir(socket.socket(fileno=int(sys.argv[3])))
    if side == "stranger":
        return folding.stranger(socket.socket(fileno=int(sys.argv[3])))
    if side == "server":
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        listener = socket.create_server(("127.0.0.1", 0))
        print(listener.getsockname()[1], flush=True)
        sock, _ = listener.accept()
        listener.close()
    elif name.startswith("by_uring"):
        os.execv(os.environ["URING_READER"], ["reader", sys.argv[3]])
    else:
        sock = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    warm(sock, side == "server")
    SCENARIOS[name](sock, side == "server")
    return None


if __name__ == "__main__":
    main()
