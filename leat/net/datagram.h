// Public: a received datagram, or several that the kernel received as one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "leat/net/inet_address.h"

namespace leat {

/// Explicit congestion notification: the two lowest bits of the traffic class (RFC 3168, 5).
enum class Ecn : std::uint8_t {
  kNotCapable = 0,  ///< Not-ECT.
  kEct1 = 1,        ///< What L4S sends (RFC 9331).
  kEct0 = 2,
  kCongestion = 3,  ///< CE: a router on the way is about to drop.
};

/// The pieces of `segment_size` bytes that a payload consists of, the last one perhaps shorter: a
/// range over std::string_view. An empty payload is one empty piece, for so it is on the wire.
class DatagramSegments {
 public:
  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = std::string_view;
    using difference_type = std::ptrdiff_t;
    using pointer = const std::string_view*;
    using reference = std::string_view;

    Iterator() = default;
    Iterator(const DatagramSegments& of, std::size_t index)
        : payload_(of.payload_), segment_size_(of.segment_size_), index_(index) {}

    std::string_view operator*() const {
      return payload_.substr(index_ * segment_size_, segment_size_);
    }
    Iterator& operator++() {
      ++index_;
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      ++index_;
      return before;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.index_ == b.index_; }

   private:
    std::string_view payload_;
    std::size_t segment_size_ = 0;
    std::size_t index_ = 0;
  };

  /// `segment_size` 0: the payload is one piece.
  DatagramSegments(std::string_view payload, std::size_t segment_size)
      : payload_(payload), segment_size_(segment_size == 0 ? payload.size() : segment_size) {}

  [[nodiscard]] std::size_t size() const {
    if (payload_.size() <= segment_size_) return 1;
    return (payload_.size() + segment_size_ - 1) / segment_size_;
  }
  [[nodiscard]] Iterator begin() const { return {*this, 0}; }
  [[nodiscard]] Iterator end() const { return {*this, size()}; }

 private:
  std::string_view payload_;
  std::size_t segment_size_;
};

/// Where a datagram goes, and how.
struct DatagramRoute {
  /// Port 0: to the peer that the socket is connected to.
  InetAddress to = {};
  /// The address of this machine that it comes from; its port does not count. 0.0.0.0: what the
  /// socket is bound to, or what the kernel chooses.
  InetAddress from = {};
  /// kNotCapable: whatever traffic class the socket has. Any other replaces all eight bits of it.
  Ecn ecn = Ecn::kNotCapable;
  /// The payload is cut into datagrams of so many bytes, the last one perhaps shorter: at most
  /// UdpSocket::kMaxSegments. 0: it is one datagram.
  std::uint16_t segment_size = 0;
};

/// What UdpSocket receives; good until the callback returns.
struct Datagram {
  std::string_view payload;
  /// With UdpOptions::gro the kernel may give several datagrams of one peer as one payload: then
  /// this is the size of each of them, the last one perhaps shorter. 0: it is one datagram.
  std::uint16_t segment_size = 0;
  /// The datagram was longer than UdpOptions::max_datagram; the rest is lost.
  bool truncated = false;
  /// With UdpOptions::receive_ecn.
  Ecn ecn = Ecn::kNotCapable;
  InetAddress peer;
  /// With UdpOptions::receive_local: the address of this machine that the peer sent to and the
  /// socket's port. For a broadcast or an IPv4 multicast the address to answer from; for an IPv6
  /// multicast that multicast address. Otherwise 0.0.0.0:0.
  InetAddress local;

  /// The single datagrams, for a socket with UdpOptions::gro.
  [[nodiscard]] DatagramSegments segments() const { return {payload, segment_size}; }
  /// Back to the peer, from where it sent to, in datagrams of the same size.
  [[nodiscard]] DatagramRoute reply() const {
    return {.to = peer, .from = local, .segment_size = segment_size};
  }
};

}  // namespace leat
