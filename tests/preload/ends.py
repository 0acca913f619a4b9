"""What the scenarios have in common: telling, reading exactly so much, and earning rings."""

import errno
import hashlib
import os

MIB = 1 << 20


def tell(*words):
    print(*words, flush=True)


def pattern(size, seed=1):
    block = hashlib.sha256(str(seed).encode()).digest() * 1024
    return (block * (size // len(block) + 1))[:size]


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def exactly(sock, size):
    parts = []
    while size:
        part = sock.recv(min(size, 1 << 18))
        if not part:
            raise EOFError(f"{size} bytes short")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def until_end(sock):
    parts = []
    while True:
        try:
            part = sock.recv(1 << 18)
        except OSError as error:
            return b"".join(parts), errno.errorcode[error.errno]
        if not part:
            return b"".join(parts), "end"
        parts.append(part)


def warm(sock, is_server):
    """Enough of calls for both ends to have earned it, and to have seen the other's proof."""
    for _ in range(24):
        if is_server:
            sock.sendall(exactly(sock, 8))
        else:
            sock.sendall(b"warm up!")
            exactly(sock, 8)


def attempt(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
