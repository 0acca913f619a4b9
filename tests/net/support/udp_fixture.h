// Internal: UDP sockets on one loop that write down what happens.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/udp_socket.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/poller.h"

#include "support/raw_sockets.h"

namespace leat::testing {

/// The poller that the tests of UDP run on.
inline PollerKind poller_kind() {
  return PollerKind::kDefault;
}

/// What a Datagram was, kept.
struct Piece {
  std::string payload;
  std::size_t segment_size;
  bool truncated;
  Ecn ecn;
  InetAddress peer;
  InetAddress local;
};

struct Report {
  UdpError::Origin origin;
  int number;
  std::string message;
  InetAddress peer;
  InetAddress offender;
  int type;
  int code;
  std::uint32_t mtu;
  std::string payload;
};

/// A socket whose callbacks write down what happens, and then call `then`.
class Node {
 public:
  explicit Node(std::unique_ptr<UdpSocket> made) : socket(std::move(made)) {
    socket->on_datagrams([this](std::span<const Datagram> datagrams) {
      batches.push_back(datagrams.size());
      for (const Datagram& one : datagrams) {
        pieces.push_back({std::string(one.payload), one.segment_size, one.truncated, one.ecn,
                          one.peer, one.local});
        for (const std::string_view segment : one.segments()) received.emplace_back(segment);
      }
      if (then) then(datagrams);
    });
    socket->on_error([this](const UdpError& error) {
      reports.push_back({error.origin, error.error.number(), error.error.message(), error.peer,
                         error.offender, error.icmp_type, error.icmp_code, error.mtu,
                         std::string(error.payload)});
      if (when_error) when_error(error);
    });
    socket->on_writable([this] {
      ++writable;
      if (when_writable) when_writable();
    });
  }

  [[nodiscard]] InetAddress address() const { return socket->address().value(); }
  [[nodiscard]] const UdpCounters& counters() const { return socket->counters(); }
  UdpSocket* operator->() const { return socket.get(); }

  std::vector<std::size_t> batches;
  std::vector<Piece> pieces;
  std::vector<std::string> received;  // single datagrams
  std::vector<Report> reports;
  int writable = 0;
  std::function<void(std::span<const Datagram>)> then;
  std::function<void(const UdpError&)> when_error;
  std::function<void()> when_writable;
  std::unique_ptr<UdpSocket> socket;  // Destroyed first: its callbacks use the others.
};

class UdpTest : public ::testing::Test {
 protected:
  static constexpr auto kIpv4 = InetAddress::Family::kIpv4;
  static constexpr auto kIpv6 = InetAddress::Family::kIpv6;

  [[nodiscard]] std::unique_ptr<Node> bind(const InetAddress& address, UdpOptions options = {}) {
    return started(UdpSocket::bind(*loop, address, std::move(options)).value());
  }
  [[nodiscard]] std::unique_ptr<Node> bind(UdpOptions options = {}) {
    return bind(InetAddress::loopback(0), std::move(options));
  }
  [[nodiscard]] std::unique_ptr<Node> connect(const InetAddress& peer, UdpOptions options = {}) {
    return started(UdpSocket::connect(*loop, peer, std::move(options)).value());
  }
  static std::unique_ptr<Node> started(std::unique_ptr<UdpSocket> socket) {
    auto node = std::make_unique<Node>(std::move(socket));
    node->socket->start().value();
    return node;
  }

  bool wait(const std::function<bool()>& done) { return run_until(*loop, done); }
  bool wait_received(const Node& node, std::size_t count) {
    return wait([&] { return node.received.size() >= count; });
  }
  /// One iteration: what is queued is written.
  void iterate() {
    loop->quit();
    loop->loop().value();
  }
  /// Whatever is still to come, comes now: on loopback all is there when the send returns.
  void settle() {
    for (int i = 0; i < 20; ++i) iterate();
  }

  std::unique_ptr<EventLoop> loop = EventLoop::create({.poller = poller_kind()}).value();
};

/// `count` datagrams of `size` bytes, each of them different.
inline std::vector<std::string> numbered(std::size_t count, std::size_t size) {
  std::vector<std::string> datagrams;
  for (std::size_t i = 0; i < count; ++i) {
    std::string text = std::to_string(i) + ":";
    text.resize(std::max(size, text.size()), static_cast<char>('a' + i % 26));
    datagrams.push_back(std::move(text));
  }
  return datagrams;
}

/// All of them in one payload.
inline std::string joined(const std::vector<std::string>& datagrams) {
  std::string all;
  for (const std::string& one : datagrams) all += one;
  return all;
}

/// A UDP port of loopback on which nobody listens.
inline InetAddress free_udp_address(InetAddress::Family family = InetAddress::Family::kIpv4) {
  const InetAddress any = InetAddress::loopback(0, family);
  const UniqueFd socket(::socket(any.domain(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (::bind(socket.get(), any.get(), any.size()) != 0) return any;
  return InetAddress::local_of(socket.get()).value();
}

}  // namespace leat::testing
