// Public: where a datagram says which socket of a group is to get it.
#pragma once

#include <cstddef>

namespace leat {

/// A big-endian number in the payload: a byte of a QUIC connection id that the server chose, say
/// (RFC 9000 section 5.1: whoever receives packets gives out the ids that they come with).
struct SessionIdRule {
  std::size_t offset = 0;  ///< In bytes from the payload's begin.
  std::size_t length = 1;  ///< 1, 2 or 4 bytes.
};

}  // namespace leat
