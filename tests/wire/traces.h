// Internal: traces put together for the tests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "leat/wire/trace_reader.h"

#include "tests/wire/bytes.h"

namespace leat::wire::test {

struct Pcap {
  bool big_endian = false;
  bool nanoseconds = false;
  int link = 1;
  int minor = 4;
};

inline Bytes pcap_header(Pcap kind = {}) {
  const auto number = [&](Bytes& out, std::uint64_t value, int size) {
    out.number(value, size, kind.big_endian);
  };
  Bytes out;
  number(out, kind.nanoseconds ? 0xa1b2'3c4d : 0xa1b2'c3d4, 4);
  number(out, 2, 2);
  number(out, static_cast<std::uint64_t>(kind.minor), 2);
  out.fill(8);
  number(out, 262'144, 4);
  number(out, static_cast<std::uint64_t>(kind.link), 4);
  return out;
}

inline Bytes pcap_record(const Bytes& packet, std::uint32_t seconds, std::uint32_t fraction,
                         std::uint64_t wire_length, bool big_endian = false) {
  Bytes out;
  out.number(seconds, 4, big_endian).number(fraction, 4, big_endian);
  out.number(packet.size(), 4, big_endian).number(wire_length, 4, big_endian);
  return out.add(packet);
}

inline Bytes block(std::uint64_t type, const Bytes& body, bool big_endian = false) {
  const std::size_t padding = (4 - body.size() % 4) % 4;
  const std::size_t size = body.size() + padding + 12;
  Bytes out;
  out.number(type, 4, big_endian).number(size, 4, big_endian).add(body).fill(padding);
  return out.number(size, 4, big_endian);
}

inline Bytes section(bool big_endian = false, int major = 1) {
  Bytes body;
  body.number(0x1a2b'3c4d, 4, big_endian);
  body.number(static_cast<std::uint64_t>(major), 2, big_endian).number(0, 2, big_endian);
  return block(0x0a0d'0d0a, body.fill(8, 0xff), big_endian);
}

inline Bytes interface(int link = 1, std::uint32_t snap_length = 0, const Bytes& options = {},
                       bool big_endian = false) {
  Bytes body;
  body.number(static_cast<std::uint64_t>(link), 2, big_endian).fill(2);
  return block(1, body.number(snap_length, 4, big_endian).add(options), big_endian);
}

inline Bytes option(int code, const Bytes& value, bool big_endian = false) {
  Bytes out;
  out.number(static_cast<std::uint64_t>(code), 2, big_endian).number(value.size(), 2, big_endian);
  return out.add(value).fill((4 - value.size() % 4) % 4);
}

inline Bytes enhanced(const Bytes& packet, std::uint64_t ticks, std::uint32_t of_interface = 0,
                      std::uint64_t wire_length = 0, bool big_endian = false) {
  Bytes body;
  body.number(of_interface, 4, big_endian);
  body.number(ticks >> 32, 4, big_endian).number(ticks & 0xffff'ffff, 4, big_endian);
  body.number(packet.size(), 4, big_endian);
  body.number(wire_length != 0 ? wire_length : packet.size(), 4, big_endian);
  return block(6, body.add(packet), big_endian);
}

struct Seen {
  std::vector<std::byte> bytes;
  std::size_t wire_length;
  LinkType link;
  std::int64_t time;
  bool has_time;
  friend bool operator==(const Seen&, const Seen&) = default;
};

/// All that a reader makes of a trace.
struct Read {
  std::vector<Seen> packets;
  TraceReader::Event last = TraceReader::Event::kNeedMore;
  std::string error;
  std::uint64_t offset = 0;
  friend bool operator==(const Read&, const Read&) = default;
};

inline void note(Read& read, const TraceReader& reader, TraceReader::Event event) {
  read.last = event;
  read.offset = reader.offset();
  if (event == TraceReader::Event::kDamaged) read.error = reader.error().context();
  if (event != TraceReader::Event::kPacket) return;
  const TracePacket& packet = reader.packet();
  read.packets.push_back({.bytes = {packet.bytes.begin(), packet.bytes.end()},
                          .wire_length = packet.wire_length,
                          .link = packet.link,
                          .time = packet.time.count(),
                          .has_time = packet.has_time});
}

inline Read read_whole(const Bytes& trace) {
  TraceReader reader;
  Read read;
  std::span<const std::byte> rest = trace.view();
  do {
    note(read, reader, reader.next(rest, true));
    rest = rest.subspan(reader.consumed());
  } while (read.last == TraceReader::Event::kPacket);
  return read;
}

/// As a pipe gives it: `step` bytes at a time, the bytes of each call in memory of their own.
inline Read read_in_pieces(const Bytes& trace, std::size_t step) {
  TraceReader reader;
  Read read;
  std::size_t begin = 0;
  std::size_t end = 0;
  for (;;) {
    const auto bytes = trace.view().subspan(begin, end - begin);
    const std::vector<std::byte> shown(bytes.begin(), bytes.end());
    const TraceReader::Event event = reader.next(shown, end == trace.size());
    begin += reader.consumed();
    note(read, reader, event);
    if (event == TraceReader::Event::kPacket) continue;
    if (event != TraceReader::Event::kNeedMore || end == trace.size()) return read;
    end = std::min(end + step, trace.size());
  }
}

}  // namespace leat::wire::test
