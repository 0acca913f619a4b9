#include "leat/wire/trace_reader.h"

#include <cerrno>

#include <fmt/format.h>

#include "leat/base/assert.h"
#include "leat/wire/internal/load.h"

namespace leat::wire {

using internal::PcapFormat;
using internal::PcapngFormat;
using internal::TraceRecord;

namespace {

constexpr std::size_t kMagicSize = 4;

/// What a trace that cannot be read probably is.
std::string_view guess(std::uint32_t magic) {
  if (magic >> 16 == 0x1f8b) return "compressed by gzip: unpack it first";
  if (magic == 0x28b5'2ffd) return "compressed by zstd: unpack it first";
  if (magic == 0xfd37'7a58) return "compressed by xz: unpack it first";
  if (magic == 0xa1b2'cd34 || magic == 0x34cd'b2a1) {
    return "a variant of pcap that no present program writes: convert it, by editcap for one";
  }
  return "neither pcap nor pcapng";
}

}  // namespace

TraceReader::Event TraceReader::next(std::span<const std::byte> bytes, bool complete) {
  consumed_ = 0;
  if (error_) return Event::kDamaged;
  if (format_.index() == 0) {
    if (const std::optional<Event> event = start(bytes, complete)) return *event;
  }
  for (;;) {
    const std::span<const std::byte> rest = bytes.subspan(consumed_);
    const TraceRecord record = std::holds_alternative<PcapFormat>(format_)
                                   ? std::get<PcapFormat>(format_).read(rest, packet_)
                                   : std::get<PcapngFormat>(format_).read(rest, packet_);
    if (record.kind == TraceRecord::Kind::kIncomplete) return at_end(rest, complete, record);
    if (record.kind == TraceRecord::Kind::kDamaged) return damaged(EBADMSG, record.fault);
    consumed_ += record.size;
    offset_ += record.size;
    if (record.kind == TraceRecord::Kind::kPacket) {
      ++packets_;
      return Event::kPacket;
    }
  }
}

std::optional<TraceReader::Event> TraceReader::start(std::span<const std::byte> bytes,
                                                     bool complete) {
  if (bytes.size() < kMagicSize) {
    if (!complete) return Event::kNeedMore;
    return damaged(EBADMSG, bytes.empty() ? "the trace is empty" : "the trace ends at once");
  }
  if (PcapFormat::begins(bytes)) {
    format_.emplace<PcapFormat>();
  } else if (PcapngFormat::begins(bytes)) {
    format_.emplace<PcapngFormat>();
  } else {
    return damaged(ENOTSUP, guess(internal::load_be32(bytes.data())));
  }
  return std::nullopt;
}

TraceReader::Event TraceReader::at_end(std::span<const std::byte> rest, bool complete,
                                       const TraceRecord& record) {
  if (!complete) return Event::kNeedMore;
  if (rest.empty()) return Event::kEnd;
  return damaged(EBADMSG, fmt::format("the trace ends after {} of {} bytes", rest.size(),  //
                                      record.size));
}

TraceReader::Event TraceReader::damaged(int number, std::string_view what) {
  error_ = Error::from_errno(
      number, fmt::format("packet {} at byte offset {}: {}", packets_ + 1, offset_, what));
  return Event::kDamaged;
}

}  // namespace leat::wire
