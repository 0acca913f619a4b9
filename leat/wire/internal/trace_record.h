// Internal: what the readers of single formats answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace leat::wire::internal {

/// The longest record or block: room for the largest packet that a capture can hold (256 KiB by
/// libpcap's own bound, more with offloads) and, in pcapng, for comments and secrets beside it.
inline constexpr std::size_t kMostRecordBytes = std::size_t{16} << 20;

struct TraceRecord {
  enum class Kind : std::uint8_t {
    kPacket,      ///< The packet was filled in.
    kOther,       ///< Nothing for the user.
    kIncomplete,  ///< The bytes end inside of it.
    kDamaged,
  };
  Kind kind = Kind::kIncomplete;
  /// Of the whole record; for kIncomplete, as far as that can be known yet: more than there is.
  std::size_t size = 0;
  std::string fault;  ///< For kDamaged.

  static TraceRecord packet(std::size_t size) { return {Kind::kPacket, size, {}}; }
  static TraceRecord other(std::size_t size) { return {Kind::kOther, size, {}}; }
  static TraceRecord incomplete(std::size_t size) { return {Kind::kIncomplete, size, {}}; }
  static TraceRecord damaged(std::string fault) { return {Kind::kDamaged, 0, std::move(fault)}; }
};

}  // namespace leat::wire::internal
