#include "leat/net/internal/udp_receive_batch.h"

#include <algorithm>
#include <utility>

namespace leat::internal {

namespace {

/// Slots a power of two apart would share the same few sets of the caches. Three lines more let
/// neighbours lie beside each other.
std::size_t stride_for(std::size_t slot_size) {
  constexpr std::size_t kLine = 64;
  return (slot_size + kLine - 1) / kLine * kLine + 3 * kLine;
}

std::unique_ptr<UdpReceiveBatch>& batch_of_thread() {
  thread_local std::unique_ptr<UdpReceiveBatch> batch;
  return batch;
}

}  // namespace

UdpReceiveBatch::UdpReceiveBatch(UdpReceiveLayout layout)
    : layout_(layout),
      stride_(stride_for(layout.slot_size)),
      payloads_(std::make_unique_for_overwrite<std::byte[]>(layout.slots * stride_)),
      headers_(layout.slots),
      vectors_(layout.slots),
      addresses_(layout.slots),
      controls_(layout.slots) {
  datagrams_.reserve(layout.slots);
  for (std::size_t i = 0; i < layout.slots; ++i) {
    vectors_[i] = {.iov_base = payloads_.get() + i * stride_, .iov_len = layout.slot_size};
    msghdr& message = headers_[i].msg_hdr;
    message.msg_name = &addresses_[i];
    message.msg_iov = &vectors_[i];
    message.msg_iovlen = 1;
    message.msg_control = controls_[i].bytes;
    reset(i);
  }
}

void UdpReceiveBatch::reset(std::size_t i) {
  msghdr& message = headers_[i].msg_hdr;
  message.msg_namelen = sizeof(sockaddr_storage);
  message.msg_controllen = kReceiveControlRoom;
  message.msg_flags = 0;
}

int UdpReceiveBatch::receive(int socket) {
  for (std::size_t i = 0; i < dirty_; ++i) reset(i);
  dirty_ = 0;
  const int count = ::recvmmsg(socket, headers_.data(), static_cast<unsigned>(layout_.slots),
                               MSG_DONTWAIT, nullptr);
  // The kernel may have begun with the one after those that it returns.
  if (count >= 0) {
    dirty_ = std::min(static_cast<std::size_t>(count) + 1, layout_.slots);
  } else {
    dirty_ = 1;
  }
  return count;
}

std::string_view UdpReceiveBatch::payload(std::size_t i) const {
  return {static_cast<const char*>(vectors_[i].iov_base), headers_[i].msg_len};
}

InetAddress UdpReceiveBatch::peer(std::size_t i) const {
  const msghdr& one = message(i);
  return InetAddress::from_sockaddr(static_cast<const sockaddr*>(one.msg_name), one.msg_namelen)
      .value_or(InetAddress());
}

UdpReceiveBatch::Lease::Lease(UdpReceiveLayout layout) : batch_(std::move(batch_of_thread())) {
  if (!batch_ || batch_->layout() != layout) {
    batch_.reset();
    batch_ = std::make_unique<UdpReceiveBatch>(layout);
  }
}

UdpReceiveBatch::Lease::~Lease() {
  batch_->datagrams().clear();
  batch_of_thread() = std::move(batch_);
}

}  // namespace leat::internal
