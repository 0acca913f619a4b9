"""What runs in the namespaces: a server, a client and a proxy.

Every request and every reply bears the name of the pair that it belongs to and a checksum, so that
a connection whose bytes came from another pair is noticed at once.

    ends.py server ADDRESS PORT PAIR
    ends.py client ADDRESS PORT SOURCE_ADDRESS SOURCE_PORT PAIR CONNECTIONS MESSAGES SIZE
    ends.py proxy ADDRESS PORT SOURCE_ADDRESS NAMESPACE_OF_THE_SECOND_LEG

The proxy changes every byte, and so does a client with FLIP set: what does not come by way of the
proxy is broken. The client waits for a line on its standard input before it begins if GATE is set, and before it
closes a connection if HOLD is.
"""

import ctypes
import hashlib
import os
import random
import signal
import socket
import struct
import sys
import threading

FLIP = bytes(byte ^ 1 for byte in range(256))
FLIPS = bool(os.environ.get("FLIP"))
HEADER = struct.Struct("!8sI32s")


class Mixed(Exception):
    """Bytes that are not this connection's."""


def read(connection, count):
    parts = []
    while count:
        part = connection.recv(count)
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    whole = b"".join(parts)
    return whole.translate(FLIP) if FLIPS else whole


def send(connection, pair, body):
    whole = HEADER.pack(pair, len(body), hashlib.sha256(body).digest()) + body
    connection.sendall(whole.translate(FLIP) if FLIPS else whole)


def receive(connection, pair):
    name, size, checksum = HEADER.unpack(read(connection, HEADER.size))
    if name != pair:
        raise Mixed(f"{pair} has got bytes of {name}")
    body = read(connection, size)
    if hashlib.sha256(body).digest() != checksum:
        raise Mixed(f"{pair} has got broken bytes")
    return body


def make(address):
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made


def serve_one(connection, pair):
    try:
        while True:
            send(connection, pair, receive(connection, pair)[::-1])
    except (EOFError, ConnectionResetError, BrokenPipeError):
        connection.close()
    except Mixed as mixed:
        print(mixed, file=sys.stderr, flush=True)
        os._exit(3)


def serve(address, port, pair):
    listener = make(address)
    listener.bind((address, int(port)))
    listener.listen(64)
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve_one, args=(connection, pair.encode()), daemon=True).start()


def be_client(address, port, source, source_port, pair, connections, messages, size):
    signal.alarm(60)  # Where bytes went astray the rest is waited for in vain.
    pair = pair.encode().ljust(8, b"\0")
    for _ in range(int(connections)):
        connection = make(address)
        connection.bind((source, int(source_port)))
        connection.connect((address, int(port)))
        if os.environ.get("GATE"):
            print("connected", flush=True)
            sys.stdin.readline()
        for _ in range(int(messages)):
            body = os.urandom(random.randrange(1, int(size)))
            send(connection, pair, body)
            if receive(connection, pair) != body[::-1]:
                raise Mixed("another request's reply")
        print("exchanged", flush=True)
        if os.environ.get("HOLD"):
            sys.stdin.readline()
        # A reset: the same ports can be used at once.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def copy(source, target):
    try:
        while True:
            part = source.recv(65536)
            if not part:
                break
            target.sendall(part.translate(FLIP))
        target.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
        target.close()


def proxy(address, port, source, second):
    """Listens here with the server's address and goes on from `second` with the client's."""
    listener = make(address)
    listener.bind((address, int(port)))
    listener.listen(64)
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{second}", "rb") as namespace:
        if libc.setns(namespace.fileno(), 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    print("ready", flush=True)
    while True:
        first, (_, client_port, *_) = listener.accept()
        onward = make(address)
        onward.bind((source, client_port))
        onward.connect((address, int(port)))
        for leg in (first, onward):
            leg.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for ends in ((first, onward), (onward, first)):
            threading.Thread(target=copy, args=ends, daemon=True).start()


if __name__ == "__main__":
    words = sys.argv[2:]
    if sys.argv[1] == "server":
        serve(words[0], words[1], words[2].ljust(8, "\0"))
    elif sys.argv[1] == "client":
        be_client(*words)
    else:
        proxy(*words)
