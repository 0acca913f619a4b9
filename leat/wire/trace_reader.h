// Public: reads packets out of pcap and pcapng traces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "leat/base/result.h"
#include "leat/wire/internal/pcap_format.h"
#include "leat/wire/internal/pcapng_format.h"
#include "leat/wire/trace_packet.h"

namespace leat::wire {

/// Knows pcap 2.4 in both byte orders, with microseconds or nanoseconds (draft-ietf-opsawg-pcap),
/// and pcapng 1.x (draft-ietf-opsawg-pcapng) with any number of sections, in both byte orders, up
/// to kMostInterfaces in each, enhanced, simple and obsolete packet blocks; blocks of other types
/// are skipped. Opens no file: it is shown bytes, all of a mapped file or the begin of what has
/// come so far, and says how many it is done with.
///
///     TraceReader reader;
///     std::size_t at = 0;                      // all of a mapped file
///     while (reader.next(file.subspan(at), true) == TraceReader::Event::kPacket) {
///       use(reader.packet());
///       at += reader.consumed();
///     }
///
/// After kNeedMore the next call gets the bytes not consumed and at least one more behind them. No
/// record or block may be longer than kMostRecordBytes, so a buffer of that size always suffices.
/// Allocates nothing for a packet. One thread at a time.
class TraceReader {
 public:
  static constexpr std::size_t kMostRecordBytes = internal::kMostRecordBytes;
  static constexpr std::size_t kMostInterfaces = internal::PcapngFormat::kMostInterfaces;

  enum class Event : std::uint8_t {
    kPacket,    ///< packet() has one.
    kNeedMore,  ///< Not if `complete`.
    kEnd,       ///< Only if `complete`: every byte was read.
    kDamaged,   ///< error() says what and where; so does every further call.
  };

  /// `bytes` go on where the last call's consumed ones ended; `complete` says that nothing comes
  /// behind them.
  [[nodiscard]] Event next(std::span<const std::byte> bytes, bool complete);
  /// How many of the last call's bytes are done with: for kPacket those of the packet too.
  [[nodiscard]] std::size_t consumed() const { return consumed_; }
  /// After kPacket, as long as the bytes given to next() stay.
  [[nodiscard]] const TracePacket& packet() const { return packet_; }
  /// After kDamaged: EBADMSG, or ENOTSUP for a format that Leat does not read, and a sentence:
  /// "packet 17 at byte offset 1234: ...". The number is that of the packet which could not be
  /// read, from 1; the offset that of its record's or block's begin, from 0.
  [[nodiscard]] const Error& error() const { return *error_; }

  /// Packets so far.
  [[nodiscard]] std::uint64_t packets() const { return packets_; }
  /// Bytes consumed so far, by all calls.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }

 private:
  [[nodiscard]] std::optional<Event> start(std::span<const std::byte> bytes, bool complete);
  [[nodiscard]] Event at_end(std::span<const std::byte> rest, bool complete,
                             const internal::TraceRecord& record);
  Event damaged(int number, std::string_view what);

  std::variant<std::monostate, internal::PcapFormat, internal::PcapngFormat> format_;
  TracePacket packet_;
  std::size_t consumed_ = 0;
  std::uint64_t packets_ = 0;
  std::uint64_t offset_ = 0;
  std::optional<Error> error_;
};

}  // namespace leat::wire
