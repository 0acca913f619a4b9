"""Scenarios in which an end goes back to TCP, or on in another program."""

import fcntl
import os
import select
import signal
import socket
import sys
import time

from ends import MIB, digest, exactly, pattern, tell, until_end

SCENARIOS_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scenarios.py")


def executed(sock, is_server):
    """The end lives on in another program that carries the library."""
    if is_server:
        os.set_inheritable(sock.fileno(), True)
        os.execv(sys.executable, [sys.executable, SCENARIOS_FILE, "executed", "heir", str(sock.fileno())])
    sock.sendall(pattern(MIB))
    tell(digest(exactly(sock, MIB)))


def executed_set(sock, is_server):
    """So does an epoll set, whose new holder waits before it has looked at anything."""
    if is_server:
        poll = select.epoll()
        poll.register(sock, select.EPOLLIN)
        for _ in range(5):
            poll.poll()
            sock.sendall(exactly(sock, 100))
        for one in (sock, poll):
            os.set_inheritable(one.fileno(), True)
        os.execv(sys.executable, [sys.executable, SCENARIOS_FILE, "executed_set", "heir",
                                  str(sock.fileno()), str(poll.fileno())])
    for i in range(35):
        time.sleep(0.02 if i % 5 else 0.3)
        sock.sendall(pattern(100))
        exactly(sock, 100)
    sock.sendall(pattern(MIB))
    tell(digest(exactly(sock, MIB)))


def executed_late(sock, is_server):
    """Nobody maps the memory any more when the new program looks at its connection: its writer has gone, and
    what held it for that long was the broker."""
    if not is_server:
        sock.sendall(pattern(MIB))
        return
    time.sleep(0.3)
    os.set_inheritable(sock.fileno(), True)
    os.execv(sys.executable, [sys.executable, SCENARIOS_FILE, "executed_late", "heir",
                              str(sock.fileno())])


def late_heir(sock):
    time.sleep(7)
    data, how = until_end(sock)
    tell(len(data), digest(data), how)


def heir_of_set(sock, poll):
    poll = select.epoll.fromfd(poll)
    left = MIB + 30 * 100
    vain = 0
    while left:
        events = poll.poll(10)
        if left > MIB:
            tell(events == [(sock.fileno(), select.EPOLLIN)])
        try:
            data = sock.recv(min(left, 1 << 16), socket.MSG_DONTWAIT)
        except BlockingIOError:
            vain += 1
            continue
        left -= len(data)
        sock.sendall(data)
    tell("told in vain", vain)
    poll.unregister(sock)


def heir(sock):
    sock.sendall(exactly(sock, MIB))


def to_static(sock, is_server):
    """A writer that has gone, a reader that executes a program without the library."""
    if not is_server:
        sock.sendall(pattern(MIB))
        return
    time.sleep(0.5)
    os.set_inheritable(sock.fileno(), True)
    os.dup2(sock.fileno(), 0)
    os.execv(os.environ["STATIC_READER"], ["reader"])


def to_static_alive(sock, is_server):
    """The same, with a writer that is there."""
    if not is_server:
        sock.sendall(pattern(MIB))
        time.sleep(0.6)
        sock.sendall(b"more")
        sock.shutdown(socket.SHUT_WR)
        tell(sock.recv(100))
        return
    time.sleep(0.3)
    os.set_inheritable(sock.fileno(), True)
    os.execv(os.environ["STATIC_READER"], ["reader", str(sock.fileno())])


def to_static_half_closed(sock, is_server):
    """A writer that has ended its output lives, and waits for an answer."""
    if not is_server:
        sock.sendall(pattern(MIB))
        sock.shutdown(socket.SHUT_WR)
        data, how = until_end(sock)
        tell(data, how)
        return
    execute_reader(sock)


def to_static_spilled(sock, is_server):
    """More was written than rings hold: bytes by TCP lie behind them. The writer waits for room."""
    if not is_server:
        sock.sendall(pattern(14 * MIB))
        time.sleep(0.1)
        sock.sendall(b"more")
        sock.shutdown(socket.SHUT_WR)
        tell(sock.recv(100))
        return
    execute_reader(sock)


def to_static_silent(sock, is_server):
    """The writer makes no call for longer than anybody waits, then goes on."""
    if not is_server:
        sock.sendall(pattern(MIB))
        time.sleep(2.5)
        sock.sendall(b"more" * 1000)
        sock.shutdown(socket.SHUT_WR)
        tell(sock.recv(100))
        return
    execute_reader(sock)


def to_static_gone_much(sock, is_server):
    """The writer has gone, and no socket buffers what it wrote."""
    if not is_server:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MIB)
        sock.setblocking(False)
        left = memoryview(pattern(6 * MIB))
        while left:
            try:
                left = left[sock.send(left):]
            except BlockingIOError:
                break
        tell(len(left))
        return
    time.sleep(0.3)
    execute_reader(sock)


def execute_reader(sock):
    time.sleep(0.3)
    os.set_inheritable(sock.fileno(), True)
    os.execv(os.environ["STATIC_READER"], ["reader", str(sock.fileno())])


def passed_on(sock, is_server, ends=socket.socket.close):
    """By SCM_RIGHTS to a process that knows nothing of rings; its writer has gone."""
    if not is_server:
        sock.sendall(pattern(MIB))
        ends(sock)
        time.sleep(0.8)
        return
    time.sleep(0.5)
    here, there = socket.socketpair()
    child = os.fork()
    if child == 0:
        sock.close()
        os.set_inheritable(there.fileno(), True)
        environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
        os.execve(sys.executable, [sys.executable, SCENARIOS_FILE, "passed_on", "stranger",
                                   str(there.fileno())], environment)
    socket.send_fds(here, [b"x"], [sock.fileno()])
    os.waitpid(child, 0)


def passed_on_half_closed(sock, is_server):
    passed_on(sock, is_server, lambda writer: writer.shutdown(socket.SHUT_WR))


def by_uring(sock, is_server):
    """The other end is uring_reader.c, which folds back when it makes its ring."""
    if is_server:
        sock.sendall(pattern(MIB))


def by_uring_half_closed(sock, is_server):
    if is_server:
        sock.sendall(pattern(MIB))
        sock.shutdown(socket.SHUT_WR)
        tell(*until_end(sock))


def asynchronous_in_set(sock, is_server):
    """Folded by O_ASYNC while it is in an epoll set, with bytes that nobody can send again."""
    if not is_server:
        sock.sendall(pattern(MIB))
        sock.shutdown(socket.SHUT_WR)
        tell(*until_end(sock))
        return
    poll = select.epoll()
    poll.register(sock, select.EPOLLIN)
    time.sleep(0.3)
    tell(poll.poll(1) == [(sock.fileno(), select.EPOLLIN)])
    tell(exactly(sock, 1000) == pattern(1000))
    fcntl.fcntl(sock, fcntl.F_SETFL, fcntl.fcntl(sock, fcntl.F_GETFL) | os.O_ASYNC)
    parts = []
    while True:
        for _, events in poll.poll(5):
            parts.append(sock.recv(1 << 18) if events & select.EPOLLIN else b"")
        if not parts or not parts[-1]:
            break
    tell(digest(b"".join(parts)))
    poll.modify(sock, select.EPOLLOUT)
    tell(poll.poll(5) == [(sock.fileno(), select.EPOLLOUT)])
    sock.sendall(b"answer")
    poll.unregister(sock)


def stranger(unix):
    _, fds, _, _ = socket.recv_fds(unix, 1, 1)
    data, how = until_end(socket.socket(fileno=fds[0]))
    tell(len(data), digest(data), how)


SCENARIOS = [
    executed, executed_late, executed_set, to_static, to_static_alive, to_static_half_closed, to_static_spilled, to_static_silent,
    to_static_gone_much, passed_on, passed_on_half_closed, by_uring, by_uring_half_closed,
    asynchronous_in_set]
