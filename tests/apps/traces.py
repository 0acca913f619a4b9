"""Packets and traces for the tests of `leat predict`, and what a card makes of them."""

import socket
import struct

VERIFICATION_KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da3"
                                 "8030f20c6a42b73bbeac01fa")


def udp(source, destination, payload=b"datagram"):
    return struct.pack(">HHHH", source, destination, 8 + len(payload), 0) + payload


def tcp(source, destination, payload=b"stream"):
    return struct.pack(">HHIIBBHHH", source, destination, 1, 2, 0x50, 0x18, 1000, 0, 0) + payload


def ipv4(source, destination, payload, protocol=17, fragment=0):
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 7, fragment, 64, protocol, 0,
                       socket.inet_aton(source), socket.inet_aton(destination)) + payload


def ipv6(source, destination, payload, protocol=17):
    return struct.pack(">IHBB16s16s", 0x60000000, len(payload), protocol, 64,
                       socket.inet_pton(socket.AF_INET6, source),
                       socket.inet_pton(socket.AF_INET6, destination)) + payload


def ethernet(payload, vlan=None):
    kind = 0x0800 if payload[0] >> 4 == 4 else 0x86dd
    tag = b"" if vlan is None else struct.pack(">HH", 0x8100, vlan)
    return b"\2" * 6 + b"\4" * 6 + tag + struct.pack(">H", kind) + payload


def arp():
    return b"\xff" * 6 + b"\4" * 6 + b"\x08\x06" + bytes(28)


def pcap(packets, order="<", nanoseconds=True, link=1):
    """`packets` are (time in nanoseconds, bytes)."""
    magic, unit = (0xa1b23c4d, 1) if nanoseconds else (0xa1b2c3d4, 1000)
    trace = [struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, 262144, link)]
    for time, packet in packets:
        trace.append(struct.pack(order + "IIII", time // 10**9, time % 10**9 // unit, len(packet),
                                 len(packet)) + packet)
    return b"".join(trace)


def block(kind, body, order="<"):
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def pcapng(packets, order="<", link=1):
    """As pcap(), with an interface that counts nanoseconds."""
    resolution = struct.pack(order + "HHB3x", 9, 1, 9)
    trace = [block(0x0a0d0d0a, struct.pack(order + "IHHq", 0x1a2b3c4d, 1, 0, -1), order),
             block(1, struct.pack(order + "HHI", link, 0, 0) + resolution, order)]
    for time, packet in packets:
        trace.append(block(6, struct.pack(order + "IIIII", 0, time >> 32, time & 0xffffffff,
                                          len(packet), len(packet)) + packet, order))
    return b"".join(trace)


def toeplitz(data, key=VERIFICATION_KEY):
    """Bit by bit, as the definition says."""
    bits = int.from_bytes(key, "big")
    result = 0
    for i in range(8 * len(data)):
        if data[i // 8] >> (7 - i % 8) & 1:
            result ^= bits >> (8 * len(key) - 32 - i) & 0xffffffff
    return result


def hash4(source, destination, ports=None, key=VERIFICATION_KEY):
    data = socket.inet_aton(source) + socket.inet_aton(destination)
    return toeplitz(data + (struct.pack(">HH", *ports) if ports else b""), key)


def hash6(source, destination, ports=None, key=VERIFICATION_KEY):
    data = (socket.inet_pton(socket.AF_INET6, source) +
            socket.inet_pton(socket.AF_INET6, destination))
    return toeplitz(data + (struct.pack(">HH", *ports) if ports else b""), key)
