// Internal: what all UDP servers of the benchmark have in common.
#pragma once

#include <cstddef>
#include <string_view>

namespace leat::bench {

/// A sink answers a datagram that begins with this byte, by one datagram of this byte.
constexpr char kAcknowledge = 'A';
constexpr std::string_view kAcknowledgement(&kAcknowledge, 1);

/// The arguments `echo|sink plain|gro`.
struct UdpServerMode {
  bool echo = true;
  bool gro = false;  ///< Also GSO, where the server sends.

  UdpServerMode(int count, char** arguments) {
    for (int i = 1; i < count; ++i) {
      if (std::string_view(arguments[i]) == "sink") echo = false;
      if (std::string_view(arguments[i]) == "gro") gro = true;
    }
  }
};

}  // namespace leat::bench
