#!/usr/bin/env python3
"""What epoll, poll and select tell of connections, as observations that can be compared.

Over 450 lines: a list of short scenarios, which one process goes through in order.

Run plain and under Leat; the JSON on standard output must be the same. `shared` on standard error is
the number of segments that are mapped.
"""

import errno
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
import threading
import time

IN, OUT, HUP, ERR, RDHUP = (select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP, select.EPOLLERR,
                            select.EPOLLRDHUP)
ET, ONESHOT, EXCLUSIVE = select.EPOLLET, select.EPOLLONESHOT, select.EPOLLEXCLUSIVE
SCENARIOS = []
mapped = 0


def scenario(function):
    SCENARIOS.append(function)
    return function


def segments():
    with open("/proc/self/maps") as maps:
        return len({line.split()[4] for line in maps if "memfd:leat-segment" in line})


class Pair:
    """Two connected sockets of this process, used enough to share memory."""

    def __init__(self, warm=True):
        listener = socket.create_server(("127.0.0.1", 0))
        self.near = socket.create_connection(listener.getsockname())
        self.far = listener.accept()[0]
        listener.close()
        for one in (self.near, self.far):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if warm:
            self.warm()

    def warm(self):
        global mapped
        for _ in range(30):
            self.far.sendall(b"x")
            assert self.near.recv(1) == b"x"
            self.near.sendall(b"y")
            assert self.far.recv(1) == b"y"
        mapped = max(mapped, segments())
        self.near.setblocking(False)

    def close(self):
        self.near.close()
        self.far.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def told(epoll, names, timeout=0.0, most=-1):
    return sorted((names.get(fd, "?"), events) for fd, events in epoll.poll(timeout, most))


def settle():
    time.sleep(0.02)


@scenario
def level(see):
    with Pair() as pair, select.epoll() as epoll:
        names = {pair.near.fileno(): "near"}
        epoll.register(pair.near, IN)
        see(told(epoll, names))
        pair.far.sendall(b"abc")
        see(told(epoll, names, 1))
        see(told(epoll, names))
        see(pair.near.recv(1).decode())
        see(told(epoll, names))
        see(pair.near.recv(10).decode())
        see(told(epoll, names))
        epoll.modify(pair.near, IN | OUT)
        see(told(epoll, names))
        pair.far.sendall(b"abc")
        settle()
        see(told(epoll, names))
        epoll.modify(pair.near, 0)
        see(told(epoll, names))
        epoll.modify(pair.near, IN)
        see(told(epoll, names))
        epoll.unregister(pair.near)
        see(told(epoll, names))


@scenario
def edge(see):
    with Pair() as pair, select.epoll() as epoll:
        names = {pair.near.fileno(): "near"}
        epoll.register(pair.near, IN | ET)
        see(told(epoll, names))
        for _ in range(3):
            pair.far.sendall(b"abc")
            see(told(epoll, names, 1))
            see(told(epoll, names))
        see(pair.near.recv(4).decode())
        see(told(epoll, names, 0.05))
        see(pair.near.recv(100).decode())
        see(told(epoll, names, 0.05))
        pair.far.sendall(b"abc")
        see(told(epoll, names, 1))
        epoll.modify(pair.near, IN | ET)
        see(told(epoll, names))
        see(told(epoll, names))


@scenario
def edge_while_asleep(see):
    with Pair() as pair, select.epoll() as epoll:
        names = {pair.near.fileno(): "near"}
        epoll.register(pair.near, IN | ET | RDHUP)
        for size in (1, 5000, 100000):
            timer = threading.Timer(0.1, lambda: pair.far.sendall(b"a" * size))
            timer.start()
            see(told(epoll, names, 3))
            got = 0
            while got < size:
                try:
                    got += len(pair.near.recv(200000))
                except BlockingIOError:
                    epoll.poll(3)
            see(got)
            timer.join()
            epoll.poll(0.02)  # Edges for pieces.


@scenario
def once(see):
    with Pair() as pair, select.epoll() as epoll:
        names = {pair.near.fileno(): "near"}
        for flags in (ONESHOT, ONESHOT | ET):
            epoll.register(pair.near, IN | flags)
            see(told(epoll, names))
            pair.far.sendall(b"abc")
            see(told(epoll, names, 1))
            see(told(epoll, names))
            pair.far.sendall(b"def")
            see(told(epoll, names, 0.05))
            epoll.modify(pair.near, IN | flags)
            see(told(epoll, names, 1))
            see(pair.near.recv(100).decode())
            epoll.modify(pair.near, IN | flags)
            see(told(epoll, names, 0.05))
            pair.far.sendall(b"ghi")
            see(told(epoll, names, 1))
            see(pair.near.recv(100).decode())
            epoll.unregister(pair.near)


@scenario
def once_by_timer(see):
    with Pair() as pair, select.epoll() as epoll:
        names = {pair.near.fileno(): "near"}
        epoll.register(pair.near, IN | ONESHOT)
        for _ in range(3):
            timer = threading.Timer(0.1, lambda: pair.far.sendall(b"a"))
            timer.start()
            see(told(epoll, names, 3))
            timer.join()
            see(pair.near.recv(10).decode())
            epoll.modify(pair.near, IN | ONESHOT)


@scenario
def exclusive(see):
    with Pair() as pair, select.epoll() as one, select.epoll() as two:
        names = {pair.near.fileno(): "near"}
        for epoll in (one, two):
            epoll.register(pair.near, IN | EXCLUSIVE)
        pair.far.sendall(b"a")
        see(told(one, names, 1))
        see(told(two, names, 1))
        try:
            one.modify(pair.near, IN)
        except OSError as error:
            see(errno.errorcode[error.errno])


@scenario
def errors_of_control(see):
    with Pair() as pair, select.epoll() as epoll:
        def attempt(action, *arguments):
            try:
                action(*arguments)
                see("ok")
            except OSError as error:
                see(errno.errorcode[error.errno])
        attempt(epoll.modify, pair.near, IN)
        attempt(epoll.unregister, pair.near)
        attempt(epoll.register, pair.near, IN)
        attempt(epoll.register, pair.near, IN)
        attempt(epoll.register, 987, IN)
        attempt(epoll.unregister, pair.near)
        with open("/etc/hostname") as file:
            attempt(epoll.register, file.fileno(), IN)
        attempt(epoll.register, epoll.fileno(), IN)


@scenario
def before_it_was_shared(see):
    with Pair(warm=False) as pair, select.epoll() as epoll:
        names = {pair.near.fileno(): "near"}
        epoll.register(pair.near, IN)
        pair.warm()
        see(told(epoll, names))
        for _ in range(3):
            pair.far.sendall(b"a")
            see(told(epoll, names, 1))
            see(pair.near.recv(1).decode())
            see(told(epoll, names))


@scenario
def asleep_while_it_is_shared(see):
    with Pair(warm=False) as pair, select.epoll() as epoll:
        names = {pair.near.fileno(): "near"}
        epoll.register(pair.near, IN | ET)
        result = []

        def sleeper():
            for _ in range(200):
                result.extend(told(epoll, names, 5))
                if result and pair.near.getblocking() is False:
                    return
        pair.warm()
        epoll.poll(0)
        thread = threading.Thread(target=sleeper)
        thread.start()
        time.sleep(0.2)
        pair.far.sendall(b"a")
        thread.join(5)
        see(result[-1:])


@scenario
def several_sets(see):
    with Pair() as pair, select.epoll() as one, select.epoll() as two:
        names = {pair.near.fileno(): "near"}
        one.register(pair.near, IN)
        two.register(pair.near, IN | ET)
        pair.far.sendall(b"a")
        see(told(one, names, 1))
        see(told(two, names, 1))
        see(told(two, names))
        see(told(one, names))
        pair.near.recv(10)
        see(told(one, names))
        see(told(two, names))


@scenario
def nested(see):
    with Pair() as pair, select.epoll() as inner, select.epoll() as outer, select.epoll() as top:
        names = {pair.near.fileno(): "near", inner.fileno(): "inner", outer.fileno(): "outer"}
        inner.register(pair.near, IN)
        outer.register(inner, IN)
        top.register(outer, IN)
        see(told(top, names))
        for timed in (False, True):
            timer = threading.Timer(0.1 if timed else 0, lambda: pair.far.sendall(b"a"))
            timer.start()
            see(told(top, names, 2))
            timer.join()
            see(told(outer, names, 1))
            see(told(inner, names, 1))
            see(told(top, names, 1))
            see(pair.near.recv(10).decode())
            see(told(inner, names))
            see(told(outer, names))
            see(told(top, names))


@scenario
def set_in_poll_and_select(see):
    with Pair() as pair, select.epoll() as epoll:
        epoll.register(pair.near, IN)
        poll = select.poll()
        poll.register(epoll, select.POLLIN)
        see(len(poll.poll(0)))
        for timed in (False, True):
            timer = threading.Timer(0.1 if timed else 0, lambda: pair.far.sendall(b"a"))
            timer.start()
            see(len(poll.poll(2000)))
            see(len(select.select([epoll], [], [], 1)[0]))
            timer.join()
            pair.near.recv(10)
            see(len(poll.poll(0)))
            see(len(select.select([epoll], [], [], 0)[0]))


@scenario
def duplicated(see):
    with Pair() as pair, select.epoll() as epoll:
        copy = os.dup(pair.near.fileno())
        names = {pair.near.fileno(): "near", copy: "copy"}
        epoll.register(pair.near, IN)
        epoll.register(copy, IN | ET)
        pair.far.sendall(b"a")
        settle()
        see(told(epoll, names, 1))
        see(told(epoll, names))
        see(os.read(copy, 10).decode())
        see(told(epoll, names))
        fileno = pair.near.detach()
        os.close(fileno)  # Its registration lives as long as the copy.
        pair.far.sendall(b"b")
        settle()
        see(told(epoll, {**names, fileno: "gone"}, 1))
        see(os.read(copy, 10).decode())
        os.close(copy)
        see(told(epoll, names, 0.02))


@scenario
def duplicated_set(see):
    with Pair() as pair, Pair() as other:
        epoll = select.epoll()
        copy = select.epoll.fromfd(os.dup(epoll.fileno()))
        names = {pair.near.fileno(): "near", other.near.fileno(): "other"}
        epoll.register(pair.near, IN)
        copy.register(other.near, IN)
        pair.far.sendall(b"a")
        other.far.sendall(b"a")
        settle()
        see(told(epoll, names, 1))
        see(told(copy, names, 1))
        epoll.close()
        see(told(copy, names, 1))
        copy.unregister(pair.near)
        see(told(copy, names, 1))
        copy.close()


@scenario
def closed_without_removal(see):
    with select.epoll() as epoll:
        for _ in range(3):
            with Pair() as pair:
                epoll.register(pair.near, IN)
                pair.far.sendall(b"a")
                see(len(epoll.poll(1)))
            see(len(epoll.poll(0.02)))


@scenario
def few_at_a_time(see):
    pairs = [Pair() for _ in range(6)]
    with select.epoll() as epoll:
        for pair in pairs:
            epoll.register(pair.near, IN)
            pair.far.sendall(b"a")
        settle()
        seen = set()
        for _ in range(60):
            for fd, _events in epoll.poll(1, 2):
                seen.add(fd)
        see(len(seen))
        see(len(epoll.poll(1, 100)))
    for pair in pairs:
        pair.close()


@scenario
def kernel_members_do_not_starve(see):
    with Pair() as pair, select.epoll() as epoll:
        ours, theirs = os.pipe()
        epoll.register(pair.near, IN)
        epoll.register(ours, IN)
        pair.far.sendall(b"a")
        os.write(theirs, b"a")
        seen = set()
        for _ in range(200):
            for fd, _events in epoll.poll(1, 1):
                seen.add(fd)
            time.sleep(0.00002)
        see(len(seen))
        os.close(ours)
        os.close(theirs)


@scenario
def idle_for_long(see):
    pairs = [Pair() for _ in range(20)]
    with select.epoll() as epoll:
        names = {pair.near.fileno(): index for index, pair in enumerate(pairs)}
        for pair in pairs:
            epoll.register(pair.near, IN)
        for _ in range(1500):  # Till the others are cold.
            pairs[0].far.sendall(b"a")
            assert told(epoll, names, 1) == [(0, IN)]
            pairs[0].near.recv(1)
        for pair in pairs:
            pair.far.sendall(b"b")
            see(told(epoll, names, 1))
            see(pair.near.recv(10).decode())
            see(told(epoll, names))
    for pair in pairs:
        pair.close()


@scenario
def half_close(see):
    for flags in (0, ET):
        with Pair() as pair, select.epoll() as epoll:
            names = {pair.near.fileno(): "near"}
            epoll.register(pair.near, IN | RDHUP | flags)
            pair.far.sendall(b"abc")
            pair.far.shutdown(socket.SHUT_WR)
            settle()
            see(told(epoll, names, 1))
            see(pair.near.recv(100).decode())
            see(pair.near.recv(100).decode())
            see(told(epoll, names, 0.02))
            pair.near.sendall(b"still")
            see(pair.far.recv(100).decode())
            pair.near.shutdown(socket.SHUT_WR)
            settle()
            see(told(epoll, names, 0.02))


@scenario
def end_wakes(see):
    for how in ("shutdown", "close"):
        for waiting in ("epoll", "poll", "select"):
            with Pair() as pair, select.epoll() as epoll:
                action = (pair.far.close if how == "close" else
                          lambda: pair.far.shutdown(socket.SHUT_WR))
                timer = threading.Timer(0.1, action)
                timer.start()
                if waiting == "epoll":
                    epoll.register(pair.near, IN)
                    see([events for _, events in epoll.poll(3)])
                elif waiting == "poll":
                    poll = select.poll()
                    poll.register(pair.near, select.POLLIN)
                    see([events for _, events in poll.poll(3000)])
                else:
                    see(len(select.select([pair.near], [], [], 3)[0]))
                timer.join()
                see(pair.near.recv(10).decode())


@scenario
def reset(see):
    with Pair() as pair, select.epoll() as epoll:
        epoll.register(pair.near, IN | RDHUP)
        pair.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        pair.far.close()
        settle()
        see([events for _, events in epoll.poll(1)])
        poll = select.poll()
        poll.register(pair.near, select.POLLIN)
        see([events for _, events in poll.poll(1000)])
        try:
            see(pair.near.recv(10).decode())
        except OSError as error:
            see(errno.errorcode[error.errno])


@scenario
def poll_and_select(see):
    with Pair() as pair, Pair() as other:
        poll = select.poll()
        poll.register(pair.near, select.POLLIN | select.POLLOUT)
        poll.register(other.near, select.POLLIN)
        names = {pair.near.fileno(): "near", other.near.fileno(): "other"}

        def look(timeout=0):
            return sorted((names[fd], events) for fd, events in poll.poll(timeout))
        see(look())
        other.far.sendall(b"a")
        settle()
        see(look(1000))
        see([len(part) for part in select.select([pair.near, other.near], [pair.near], [], 1)])
        pair.far.sendall(b"a")
        settle()
        see(look(1000))
        see([len(part) for part in select.select([pair.near, other.near], [], [pair.near], 1)])
        other.near.recv(10)
        pair.near.recv(10)
        see(look())
        see([len(part) for part in select.select([pair.near, other.near], [], [], 0.01)])


@scenario
def poll_of_what_is_not_there(see):
    with Pair() as pair:
        poll = select.poll()
        poll.register(pair.near, select.POLLIN)
        poll.register(900, select.POLLIN)
        see(sorted(events for _, events in poll.poll(0)))
        pair.far.sendall(b"a")
        settle()
        see(sorted(events for _, events in poll.poll(1000)))


@scenario
def low_water(see):
    with Pair() as pair, select.epoll() as epoll:
        pair.near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 5)
        epoll.register(pair.near, IN)
        pair.far.sendall(b"abc")
        settle()
        see(len(epoll.poll(0.1)))
        timer = threading.Timer(0.1, lambda: pair.far.sendall(b"de"))
        timer.start()
        see(len(epoll.poll(2)))
        timer.join()


def elapsed(action):
    begin = time.monotonic()
    result = action()
    return result, time.monotonic() - begin


@scenario
def time_limits(see):
    with Pair() as pair, select.epoll() as epoll:
        epoll.register(pair.near, IN)
        poll = select.poll()
        poll.register(pair.near, select.POLLIN)
        for action in (lambda: epoll.poll(0.15), lambda: poll.poll(150),
                       lambda: select.select([pair.near], [], [], 0.15)[0]):
            result, seconds = elapsed(action)
            see([len(result), 0.149 <= seconds < 1])
        pair.near.settimeout(0.15)
        try:
            pair.near.recv(1)
        except TimeoutError:
            see("timeout")
        pair.near.setblocking(True)
        pair.near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 300000))
        for _ in range(2):
            begin = time.monotonic()
            try:
                pair.near.recv(1)
            except BlockingIOError:
                see(["EAGAIN", 0.29 <= time.monotonic() - begin < 1.2])


@scenario
def doorbells_do_not_lengthen_a_time_limit(see):
    with Pair() as pair, select.epoll() as epoll:
        # Of another thread that reads what comes, only the time is left to this one.
        epoll.register(pair.near, IN)
        stop = time.monotonic() + 0.3

        def busy():
            while time.monotonic() < stop + 0.3:
                pair.far.sendall(b"a")
                time.sleep(0.005)

        def thief():
            while time.monotonic() < stop + 0.3:
                try:
                    pair.near.recv(100)
                except BlockingIOError:
                    pass
        threads = [threading.Thread(target=f) for f in (busy, thief)]
        for thread in threads:
            thread.start()
        while time.monotonic() < stop:
            epoll.poll(0.05)
        _, seconds = elapsed(lambda: epoll.poll(0.05))
        see(seconds < 1)
        for thread in threads:
            thread.join()


@scenario
def signals(see):
    libc = __import__("ctypes").CDLL(None, use_errno=True)
    ctypes = __import__("ctypes")
    for restart in (False, True):
        hits = []
        signal.signal(signal.SIGALRM, lambda *_: hits.append(1))
        signal.siginterrupt(signal.SIGALRM, not restart)
        with Pair() as pair, select.epoll() as epoll:
            pair.near.setblocking(True)
            epoll.register(pair.near, IN)
            events = ctypes.create_string_buffer(120)
            descriptor = struct.pack("ihh", pair.near.fileno(), select.POLLIN, 0)
            polled = ctypes.create_string_buffer(descriptor, 8)
            buffer = ctypes.create_string_buffer(10)
            fdset = ctypes.create_string_buffer(128)

            def selecting():
                fd = pair.near.fileno()
                fdset[fd // 8] = bytes([1 << (fd % 8)])
                limit = ctypes.create_string_buffer(struct.pack("ll", 0, 600000))
                return libc.select(fd + 1, fdset, None, None, limit)
            for name, call in (
                    ("epoll", lambda: libc.epoll_wait(epoll.fileno(), events, 10, 600)),
                    ("poll", lambda: libc.poll(polled, 1, 600)),
                    ("select", selecting),
                    ("recv", lambda: libc.recv(pair.near.fileno(), buffer, 1, 0))):
                hits.clear()
                timer = threading.Timer(0.5, lambda: pair.far.sendall(b"a"))
                timer.start()
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                result = call()
                error = errno.errorcode[ctypes.get_errno()] if result < 0 else ""
                timer.join()
                see([name, restart, result, error, len(hits)])
                pair.near.recv(1, socket.MSG_DONTWAIT) if result != 1 or name != "recv" else None
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


@scenario
def blocked_recv(see):
    with Pair() as pair:
        pair.near.setblocking(True)
        for delay in (0.001, 0.08, 0.3):
            timer = threading.Timer(delay, lambda: pair.far.sendall(b"abc"))
            timer.start()
            see(pair.near.recv(10).decode())
            timer.join()
        timer = threading.Timer(0.1, lambda: pair.near.shutdown(socket.SHUT_RD))
        timer.start()
        result, seconds = elapsed(lambda: pair.near.recv(10))
        see([result.decode(), seconds < 0.5])
        timer.join()
    for delay in (0.02, 0.3):
        with Pair() as pair:
            pair.near.setblocking(True)
            timer = threading.Timer(delay, pair.far.close)
            timer.start()
            result, seconds = elapsed(lambda: pair.near.recv(10))
            see([result.decode(), seconds < delay + 0.2])
            timer.join()


@scenario
def one_set_in_several_threads(see):
    pairs = [Pair() for _ in range(4)]
    with select.epoll() as epoll:
        by_fd = {pair.near.fileno(): pair for pair in pairs}
        got = []
        for pair in pairs:
            epoll.register(pair.near, IN | ONESHOT)
        done = threading.Event()

        def worker():
            while not done.is_set():
                for fd, _events in epoll.poll(0.5):
                    data = by_fd[fd].near.recv(100)
                    got.append(len(data))
                    epoll.modify(fd, IN | ONESHOT)
        threads = [threading.Thread(target=worker) for _ in range(3)]
        for thread in threads:
            thread.start()
        for index in range(400):
            pairs[index % 4].far.sendall(b"a")
            if index % 50 == 0:
                time.sleep(0.01)
        limit = time.monotonic() + 3
        while sum(got) < 400 and time.monotonic() < limit:
            time.sleep(0.01)
        see(sum(got))
        done.set()
        for thread in threads:
            thread.join()
    for pair in pairs:
        pair.close()


@scenario
def sleeper_is_told_of_what_is_added(see):
    """Data lies in the ring when another thread adds the connection to a set that sleeps."""
    for flags in (IN, IN | ET, IN | ONESHOT, IN | EXCLUSIVE):
        with Pair() as pair, Pair() as other, select.epoll() as epoll:
            epoll.register(other.near, IN)
            result = []
            thread = threading.Thread(target=lambda: result.extend(epoll.poll(3)))
            thread.start()
            time.sleep(0.1)
            pair.far.sendall(b"a")
            settle()
            begin = time.monotonic()
            epoll.register(pair.near, flags)
            thread.join()
            see([len(result), time.monotonic() - begin < 1, [events for _, events in result]])
            if not flags & ET:  # There an edge more is allowed.
                see([events for _, events in epoll.poll(0.02)])
    with Pair() as pair, Pair() as other, select.epoll() as epoll:
        epoll.register(other.near, IN)
        epoll.register(pair.near, 0)
        result = []
        thread = threading.Thread(target=lambda: result.extend(epoll.poll(3)))
        thread.start()
        time.sleep(0.1)
        pair.far.sendall(b"a")
        settle()
        begin = time.monotonic()
        epoll.modify(pair.near, IN | ONESHOT)
        thread.join()
        see([len(result), time.monotonic() - begin < 1])


@scenario
def busy_thread_hides_nothing(see):
    """One thread has read and is at work; what comes then is for the other, which sleeps."""
    for flags in (IN, IN | ET, IN | ONESHOT):
        for drains in (False, True):
            with Pair() as pair, Pair() as other, select.epoll() as epoll:
                epoll.register(pair.near, flags)
                epoll.register(other.near, IN)
                heard = []
                at_work = threading.Event()

                def worker():
                    while len(heard) < 2:
                        for fd, _events in epoll.poll(3):
                            try:
                                text = pair.near.recv(1)
                            except BlockingIOError:
                                continue  # The other was faster.
                            try:
                                more = pair.near.recv(1) if drains else b""
                            except BlockingIOError:
                                more = b""
                            if flags & ONESHOT:
                                epoll.modify(pair.near, flags)
                            heard.append((text + more).decode())
                            at_work.set()
                            time.sleep(1)
                            return
                threads = [threading.Thread(target=worker) for _ in range(2)]
                for thread in threads:
                    thread.start()
                time.sleep(0.05)
                pair.far.sendall(b"a")
                see(at_work.wait(2))
                time.sleep(0.05)
                pair.far.sendall(b"b")
                begin = time.monotonic()
                while len(heard) < 2 and time.monotonic() - begin < 2:
                    time.sleep(0.005)
                see([heard, time.monotonic() - begin < 0.5])
                for thread in threads:
                    thread.join()


@scenario
def what_one_thread_has_no_room_for(see):
    """Two threads sleep, and each asks for one event: of two messages at once each gets one."""
    with Pair() as one, Pair() as two, select.epoll() as epoll:
        by_fd = {pair.near.fileno(): pair.near for pair in (one, two)}
        for fd in by_fd:
            epoll.register(fd, IN)
        for _ in range(10):
            heard = []
            release = threading.Event()

            def worker():
                limit = time.monotonic() + 5
                while time.monotonic() < limit:
                    for fd, _events in epoll.poll(5, 1):
                        try:
                            heard.append(by_fd[fd].recv(10))
                        except BlockingIOError:
                            continue  # The other was faster.
                        release.wait(5)
                        return
            threads = [threading.Thread(target=worker) for _ in range(2)]
            for thread in threads:
                thread.start()
            time.sleep(0.02)
            one.far.sendall(b"a")
            two.far.sendall(b"b")
            limit = time.monotonic() + 2
            while len(heard) < 2 and time.monotonic() < limit:
                time.sleep(0.002)
            see([text.decode() for text in sorted(heard)])
            release.set()
            for thread in threads:
                thread.join()


@scenario
def inherited_set(see):
    with Pair() as pair, select.epoll() as epoll:
        epoll.register(pair.near, IN)
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            heard = len(epoll.poll(3))
            text = pair.near.recv(10)
            quiet = len(epoll.poll(0.02))
            os.write(theirs, json.dumps([heard, text.decode(), quiet]).encode())
            os._exit(0)
        time.sleep(0.1)
        pair.far.sendall(b"abc")
        see(json.loads(os.read(ours, 100)))
        os.waitpid(child, 0)
        pair.far.sendall(b"def")
        see(len(epoll.poll(1)))
        see(pair.near.recv(10).decode())
        see(len(epoll.poll(0.02)))
        os.close(ours)
        os.close(theirs)


@scenario
def set_made_in_child(see):
    with Pair() as pair:
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            epoll = select.epoll()
            epoll.register(pair.near, IN)
            heard = []
            for _ in range(3):
                heard.append([len(epoll.poll(3)), pair.near.recv(10).decode(), len(epoll.poll(0))])
            os.write(theirs, json.dumps(heard).encode())
            os._exit(0)
        for _ in range(3):
            time.sleep(0.1)
            pair.far.sendall(b"abc")
        see(json.loads(os.read(ours, 200)))
        os.waitpid(child, 0)
        os.close(ours)
        os.close(theirs)


@scenario
def high_descriptor(see):
    with Pair() as pair:
        high = fcntl.fcntl(pair.near.fileno(), fcntl.F_DUPFD, 1030)
        ctypes = __import__("ctypes")
        libc = ctypes.CDLL(None, use_errno=True)
        size = (high // 64 + 1) * 8
        fdset = ctypes.create_string_buffer(size)
        for expected in (0, 1, 1):
            fdset[high // 8] = bytes([1 << (high % 8)])
            limit = ctypes.create_string_buffer(struct.pack("ll", 0, 200000))
            see(libc.select(high + 1, fdset, None, None, limit))
            see(fdset[high // 8][0] >> (high % 8) & 1)
            if expected == 0:
                pair.far.sendall(b"a")
                settle()
        poll = select.poll()
        poll.register(high, select.POLLIN)
        see(len(poll.poll(1000)))
        os.close(high)


@scenario
def writable(see):
    """EPOLLOUT is TCP's, also where nobody reads."""
    with Pair() as pair, select.epoll() as epoll:
        epoll.register(pair.near, OUT)
        see([events for _, events in epoll.poll(0.1)])
        sent = 0
        try:
            while True:
                sent += pair.near.send(b"x" * 65536)
        except BlockingIOError:
            pass
        see(len(epoll.poll(0.05)))
        got = 0
        pair.far.settimeout(3)
        while got < sent:
            got += len(pair.far.recv(1 << 20))
        see(got == sent)
        see([events for _, events in epoll.poll(1)])


def main():
    result = {}
    only = sys.argv[1:]
    for function in SCENARIOS:
        if only and function.__name__ not in only:
            continue
        seen = []
        begin = time.monotonic()
        try:
            function(seen.append)
        except Exception as error:  # The other run must fail in the same way.
            seen.append(f"{type(error).__name__}: {error}")
        result[function.__name__] = seen
        print(f"{function.__name__}: {time.monotonic() - begin:.2f} s", file=sys.stderr)
    print(f"shared {mapped}", file=sys.stderr)
    json.dump(result, sys.stdout)


main()
