#include "leat/net/internal/udp_send_queue.h"

#include <algorithm>
#include <cstring>

#include "leat/base/assert.h"

namespace leat::internal {

std::size_t UdpSendQueue::segments(std::size_t size, std::size_t segment_size) {
  if (size <= segment_size) return 1;
  return (size + segment_size - 1) / segment_size;
}

bool UdpSendQueue::joins(std::string_view payload, const DatagramRoute& route,
                         std::size_t segment_size, const Joining& joining) const {
  if (empty() || payload.empty()) return false;
  const Run& last = runs_.back();
  // A shorter one may end the run.
  const bool fits = segment_size == last.segment_size ||
                    (payload.size() < last.segment_size && segment_size == payload.size());
  return last.open && !last.split && fits && last.segment_size < joining.smallest_refused &&
         last.size + payload.size() <= joining.most_bytes &&
         segments(last.size + payload.size(), last.segment_size) <= joining.most_segments &&
         last.ecn == route.ecn && last.to == route.to && last.from == route.from;
}

void UdpSendQueue::append(std::string_view payload, const DatagramRoute& route,
                          const Joining& joining) {
  compact();
  const bool cut = route.segment_size != 0 && route.segment_size < payload.size();
  const std::size_t segment_size = cut ? route.segment_size : payload.size();
  const bool whole = segment_size != 0 && payload.size() % segment_size == 0;
  const std::size_t count = segments(payload.size(), segment_size);
  if (joins(payload, route, segment_size, joining)) {
    bytes_.insert(bytes_.end(), payload.begin(), payload.end());
    Run& last = runs_.back();
    last.size += payload.size();
    last.open = whole && segment_size == last.segment_size;
  } else {
    Run run{.to = route.to,
            .from = route.from,
            .begin = bytes_.size(),
            .size = payload.size(),
            .segment_size = segment_size,
            .ecn = route.ecn,
            .split = false,
            .open = whole};
    runs_.push_back(run);
    try {
      bytes_.insert(bytes_.end(), payload.begin(), payload.end());
    } catch (...) {
      runs_.pop_back();
      throw;
    }
  }
  datagrams_ += count;
}

void UdpSendQueue::gather(UdpSendBatch& batch, const Ways& ways) const {
  batch.count = 0;
  for (std::size_t i = head_; i < runs_.size() && batch.count < UdpSendBatch::kMessages; ++i) {
    const Run& run = runs_[i];
    if (ways.gso && !run.split) {
      add_message(batch, run, run.begin, run.size, ways);
      continue;
    }
    std::size_t done = 0;
    do {
      const std::size_t size = std::min(run.segment_size, run.size - done);
      add_message(batch, run, run.begin + done, size, ways);
      done += size;
    } while (done < run.size && batch.count < UdpSendBatch::kMessages);
  }
}

void UdpSendQueue::add_message(UdpSendBatch& batch, const Run& run, std::size_t begin,
                               std::size_t size, const Ways& ways) const {
  const std::size_t i = batch.count++;
  const bool to_peer = run.to.port() == 0 && ways.peer != nullptr;
  const std::size_t count = segments(size, run.segment_size);
  batch.datagrams[i] = static_cast<std::uint32_t>(count);
  batch.vectors[i] = {.iov_base = const_cast<char*>(bytes_.data()) + begin, .iov_len = size};
  msghdr& message = batch.headers[i].msg_hdr;
  message = {};
  if (!to_peer) {
    message.msg_name = const_cast<sockaddr*>(run.to.get());
    message.msg_namelen = run.to.size();
  }
  message.msg_iov = &batch.vectors[i];
  message.msg_iovlen = 1;
  const SendControl control{
      .to = to_peer ? *ways.peer : run.to,
      .from = run.from,
      .ecn = run.ecn,
      .segment_size = static_cast<std::uint16_t>(count > 1 ? run.segment_size : 0)};
  message.msg_controllen = build_control(control, batch.controls[i].bytes);
  if (message.msg_controllen != 0) message.msg_control = batch.controls[i].bytes;
}

void UdpSendQueue::take_one(std::size_t size, std::size_t datagrams) {
  Run& run = runs_[head_];
  LEAT_ASSERT(size <= run.size, "more was sent than had been gathered");
  run.begin += size;
  run.size -= size;
  sent_bytes_ += size;
  datagrams_ -= datagrams;
  if (run.size == 0) ++head_;
  if (empty()) clear();
}

UdpSendQueue::Taken UdpSendQueue::take(const UdpSendBatch& batch, std::size_t messages) {
  Taken taken;
  for (std::size_t i = 0; i < messages; ++i) {
    taken.bytes += batch.vectors[i].iov_len;
    taken.datagrams += batch.datagrams[i];
    if (batch.datagrams[i] > 1) ++taken.pieces_of_many;
    take_one(batch.vectors[i].iov_len, batch.datagrams[i]);
  }
  return taken;
}

UdpSendQueue::Lost UdpSendQueue::drop(const UdpSendBatch& batch) {
  Lost lost{
      .to = runs_[head_].to, .datagrams = batch.datagrams[0], .bytes = batch.vectors[0].iov_len};
  take_one(lost.bytes, lost.datagrams);
  return lost;
}

void UdpSendQueue::clear() {
  runs_.clear();
  bytes_.clear();
  head_ = 0;
  sent_bytes_ = 0;
  datagrams_ = 0;
  if (bytes_.capacity() > kKeptBytes) std::vector<char>().swap(bytes_);
  if (runs_.capacity() > kKeptRuns) std::vector<Run>().swap(runs_);
}

/// Gives back the place of what is sent, once it is the larger part: so each byte is moved once at
/// most for each time it was queued.
void UdpSendQueue::compact() {
  if (sent_bytes_ <= bytes_.size() - sent_bytes_ && head_ <= runs()) return;
  const auto bytes = static_cast<std::ptrdiff_t>(sent_bytes_);
  bytes_.erase(bytes_.begin(), bytes_.begin() + bytes);
  runs_.erase(runs_.begin(), runs_.begin() + static_cast<std::ptrdiff_t>(head_));
  for (Run& run : runs_) run.begin -= sent_bytes_;
  head_ = 0;
  sent_bytes_ = 0;
}

}  // namespace leat::internal
