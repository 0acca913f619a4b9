// Internal: memory that recvmmsg() fills.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "leat/net/datagram.h"
#include "leat/net/internal/udp_control.h"

namespace leat::internal {

/// So many payloads of so many bytes.
struct UdpReceiveLayout {
  std::size_t slots;
  std::size_t slot_size;
  friend bool operator==(const UdpReceiveLayout&, const UdpReceiveLayout&) = default;
};

/// One batch of received datagrams. All sockets of a thread share one, since a batch is done with
/// before its callback returns: a thousand quiet sockets need no memory for it, and a busy one
/// finds it warm in the cache. It is kept until the thread ends.
///
///     headers_[i] --> addresses_[i], vectors_[i] --> slot i of payloads_, controls_[i]
class UdpReceiveBatch {
 public:
  class Lease;

  explicit UdpReceiveBatch(UdpReceiveLayout layout);
  UdpReceiveBatch(const UdpReceiveBatch&) = delete;
  UdpReceiveBatch& operator=(const UdpReceiveBatch&) = delete;

  /// Takes what waits in the socket, up to the number of slots, without waiting for more. The
  /// number taken; or -1 with errno set, and nothing was taken.
  int receive(int socket);

  // Of what the last receive() took, by index.

  [[nodiscard]] const msghdr& message(std::size_t i) const { return headers_[i].msg_hdr; }
  [[nodiscard]] std::string_view payload(std::size_t i) const;
  [[nodiscard]] InetAddress peer(std::size_t i) const;

  [[nodiscard]] const UdpReceiveLayout& layout() const { return layout_; }
  /// Room for what the callback gets.
  [[nodiscard]] std::vector<Datagram>& datagrams() { return datagrams_; }

 private:
  struct alignas(cmsghdr) Control {
    std::byte bytes[kReceiveControlRoom];
  };

  void reset(std::size_t i);

  const UdpReceiveLayout layout_;
  const std::size_t stride_;
  std::unique_ptr<std::byte[]> payloads_;  // its pages cost nothing until they are written to
  std::vector<mmsghdr> headers_;
  std::vector<iovec> vectors_;
  std::vector<sockaddr_storage> addresses_;
  std::vector<Control> controls_;
  std::vector<Datagram> datagrams_;
  std::size_t dirty_ = 0;  // headers that the last call wrote to
};

/// The thread's batch, for the length of a scope. A second one at the same time, as by a loop that
/// runs inside a callback of another, gets a batch of its own.
class UdpReceiveBatch::Lease {
 public:
  /// Throws std::bad_alloc.
  explicit Lease(UdpReceiveLayout layout);
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  UdpReceiveBatch& operator*() const { return *batch_; }
  UdpReceiveBatch* operator->() const { return batch_.get(); }

 private:
  std::unique_ptr<UdpReceiveBatch> batch_;
};

}  // namespace leat::internal
