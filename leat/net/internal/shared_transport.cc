#include "leat/net/internal/shared_transport.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "leat/base/assert.h"
#include "leat/net/internal/shared_loop.h"
#include "leat/net/internal/socket_output.h"
#include "leat/reactor/event_loop.h"

namespace leat::internal {

namespace {

// Told to the user in one pump(), before others on the loop have their turn.
constexpr std::size_t kReadBudget = 1024 * 1024;
// Bytes of TCP that wait because the spans before them are not read yet.
constexpr std::size_t kHeldTcp = 256 * 1024;
constexpr int kFileEnded = -1;

}  // namespace

SharedTransport::SharedTransport(EventLoop& loop, SharedLoop& shared,
                                 std::unique_ptr<Transport> inner,
                                 std::unique_ptr<SharedMemory> memory, TransportUser& user,
                                 Begin begin)
    : loop_(loop),
      shared_(shared),
      inner_(std::move(inner)),
      memory_(std::move(memory)),
      link_(memory_->link),
      user_(&user),
      resend_(loop.buffers()),
      inner_told_(begin.sent),
      reading_(begin.reading) {
  memory_->slot->state.store(smc::SlotState::kShared, std::memory_order_relaxed);
  memory_->slot->reason.store(smc::FallbackReason::kNone, std::memory_order_relaxed);
  memory_->slot->token = link_.token();
  inner_->set_user(*this);
  shared_.add(*this);
}

SharedTransport::~SharedTransport() {
  LEAT_ASSERT(closed_, "a transport was destroyed while it was open");
}

Result<void> SharedTransport::start(TransportUser& user) {
  user_ = &user;
  return {};
}

// Input.

Result<void> SharedTransport::set_reading(bool on) {
  reading_ = on;
  if (on) shared_.warm(*this);
  return inner_->set_reading(on && !tcp_over_);
}

void SharedTransport::continue_input() {
  shared_.warm(*this);
  inner_->continue_input();
}

bool SharedTransport::has_input() const {
  if (closed_ || end_told_ || !reading_) return false;
  if (!link_.receiver().maybe_readable() && tcp_.empty() && !tcp_over_ && failure_ == 0) {
    return false;
  }
  return user_->receive_room() != 0;
}

void SharedTransport::pump() {
  if (pumping_) return;
  pumping_ = true;
  if (link_.sender().fold_wanted()) answer_fold();
  const std::uint64_t before = smc::read_position(link_.mine());
  while (!closed_ && reading_ && smc::read_position(link_.mine()) - before < kReadBudget) {
    if (!pump_once()) break;
  }
  pumping_ = false;
  // The inner transport tells nothing more by itself once there was no room for it.
  if (!closed_ && held_back_ && receive_room() != 0) {
    held_back_ = false;
    inner_->continue_input();
  }
}

bool SharedTransport::pump_once() {
  smc::Receiver<> receiver = link_.receiver();
  const smc::Input input = receiver.look();
  if (input.kind == smc::Input::Kind::kBroken) {
    end_told_ = true;
    user_->transport_failed(EPROTO, "the peer broke the shared memory");
    return false;
  }
  const std::size_t room = user_->receive_room();
  if (!input.bytes.empty()) {
    const std::size_t count = std::min(room, input.bytes.size());
    if (count == 0) return false;
    user_->bytes_arrived({input.bytes.data(), count});
    // Whatever the user has done, the mapping lives as long as this.
    receiver.consume(count);
    return true;
  }
  if (input.kind == smc::Input::Kind::kRing) {
    const std::size_t count = std::min<std::uint64_t>(input.doorbells, tcp_.size());
    if (count == 0) {
      if (tcp_.empty() && !receiver.maybe_readable()) tell_end();
      return false;
    }
    tcp_.erase(0, count);
    receiver.doorbells_eaten(count);
    return true;
  }
  const std::size_t count = std::min<std::uint64_t>({input.tcp_limit, tcp_.size(), room});
  if (count == 0) {
    if (tcp_.empty()) tell_end();
    return false;
  }
  const std::string bytes = tcp_.substr(0, count);
  tcp_.erase(0, count);
  receiver.tcp_received(count);
  user_->bytes_arrived(bytes);
  return true;
}

// All spans are read, and TCP had an end.
void SharedTransport::tell_end() {
  if (end_told_ || closed_ || !reading_) return;
  if (failure_ != 0) {
    end_told_ = true;
    user_->transport_failed(failure_, failure_what_);
    return;
  }
  if (!tcp_over_) return;
  end_told_ = true;
  const std::uint32_t theirs = link_.peer().flags.load(std::memory_order_acquire);
  if ((theirs & smc::kFlagWriteShut) == 0 && link_.sender().unread() != 0) {
    // It has closed with unread input, which TCP answers by a reset.
    user_->transport_failed(ECONNRESET, "receiving");
  } else {
    user_->input_ended();
  }
}

std::size_t SharedTransport::receive_room() const {
  if (closed_ || !reading_) return 0;
  return tcp_.size() >= kHeldTcp ? 0 : kHeldTcp - tcp_.size();
}

void SharedTransport::bytes_arrived(std::string_view bytes) {
  tcp_.append(bytes);
  if (tcp_.size() >= kHeldTcp) held_back_ = true;
  shared_.warm(*this);
  pump();
}

void SharedTransport::input_ended() {
  tcp_over_ = true;
  static_cast<void>(inner_->set_reading(false));
  shared_.warm(*this);
  pump();
}

void SharedTransport::transport_failed(int number, std::string_view what) {
  failure_ = number;
  failure_what_ = what;
  static_cast<void>(inner_->set_reading(false));
  shared_.warm(*this);
  pump();
}

bool SharedTransport::arm() {
  link_.mine().wait.fetch_or(smc::kWaitDoorbell, std::memory_order_seq_cst);
  return !has_input();
}

void SharedTransport::disarm() {
  link_.mine().wait.fetch_and(~smc::kWaitDoorbell, std::memory_order_acq_rel);
}

// Output.

// Everything the inner transport was given has reached the kernel, whose counts are then true.
bool SharedTransport::inner_is_quiet() const {
  return !inner_->is_blocked() && resend_.empty() && inner_->carried(inner_told_) == inner_told_;
}

bool SharedTransport::go_to_ring() {
  smc::Sender<> sender = link_.sender();
  if (sender.lane() != smc::Lane::kTcp) return true;
  if (tcp_over_ || failure_ != 0 || !sender.may_return() || !inner_is_quiet()) return false;
  const std::uint64_t written = link_.tcp_written(fd());
  if (written == smc::kNoCount) return false;
  sender.to_ring(written);
  return true;
}

void SharedTransport::go_to_tcp() {
  smc::Sender<> sender = link_.sender();
  if (sender.lane() == smc::Lane::kTcp) return;
  sender.to_tcp(link_.tcp_written(fd()));
  wake_peer();  // A peer that sleeps on the futex does not hear TCP.
}

std::size_t SharedTransport::put(std::string_view bytes) {
  smc::Sender<> sender = link_.sender();
  std::size_t done = 0;
  while (done < bytes.size()) {
    const std::span<char> room = sender.room(bytes.size() - done);
    if (room.empty()) break;
    std::memcpy(room.data(), bytes.data() + done, room.size());
    std::size_t count = room.size();
    const std::span<char> behind = sender.room_behind(count, bytes.size() - done - count);
    if (!behind.empty()) std::memcpy(behind.data(), bytes.data() + done + count, behind.size());
    count += behind.size();
    sender.commit(count);
    done += count;
  }
  return done;
}

std::size_t SharedTransport::put_file(const SendQueue::FileRange& range, int& error) {
  smc::Sender<> sender = link_.sender();
  const std::span<char> room = sender.room(std::min<std::uint64_t>(range.length, kReadBudget));
  if (room.empty()) return 0;
  const ssize_t count =
      ::pread(range.fd, room.data(), room.size(), static_cast<off_t>(range.offset));
  if (count <= 0) {
    error = count == 0 ? kFileEnded : errno;
    return 0;
  }
  sender.commit(static_cast<std::size_t>(count));
  return static_cast<std::size_t>(count);
}

void SharedTransport::wake_peer() {
  link_.wake_peer(fd(), true);
}

/// From the head of `queue` into the ring, as far as it goes in one piece of work.
std::size_t SharedTransport::put_some(SendQueue& queue, int& error) {
  if (queue.file_is_next()) return put_file(queue.file(), error);
  std::array<iovec, kWriteVectors> vectors;
  const std::size_t used = queue.gather(vectors);
  std::size_t count = 0;
  for (std::size_t i = 0; i < used; ++i) {
    const std::size_t part =
        put({static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len});
    count += part;
    if (part < vectors[i].iov_len) break;
  }
  return count;
}

Transport::Written SharedTransport::write(SendQueue& queue) {
  using Kind = Written::Kind;
  if (waits_ || !resend_.empty()) return {Kind::kBlocked};
  // A peer that is gone: TCP shows what there is to show.
  if (tcp_over_ && link_.sender().may_leave()) go_to_tcp();
  if (!go_to_ring()) return inner_->write(queue);
  bool wrote = false;
  int error = 0;
  while (!closed_ && !queue.empty()) {
    const std::size_t count = put_some(queue, error);
    if (count == 0) break;
    wrote = true;
    user_->bytes_sent(count);
  }
  if (closed_) return {Kind::kAll};
  if (wrote) {
    ++link_.mine().tx_messages;
    wake_peer();
  }
  if (error == kFileEnded) return {Kind::kTruncated};
  if (error != 0) return {Kind::kFailed, error, "reading a file"};
  if (queue.empty()) return {Kind::kAll};
  // Full: what is left goes by TCP, which makes its sender wait as it always does.
  if (!link_.sender().may_leave()) return wait_for_span();
  ++link_.mine().tx_ring_full;
  go_to_tcp();
  return inner_->write(queue);
}

/// The peer has to read on before anything can go; nobody tells, so look again soon.
Transport::Written SharedTransport::wait_for_span() {
  waits_ = true;
  retry_ = loop_.run_after(std::chrono::milliseconds(1), [this] {
    retry_ = {};
    waits_ = false;
    user_->output_ready();
  });
  return {Written::Kind::kBlocked};
}

std::size_t SharedTransport::write_now(const SendQueue& queue, std::string_view bytes) {
  if (waits_ || !resend_.empty()) return 0;
  if (!go_to_ring()) {
    const std::size_t count = inner_->write_now(queue, bytes);
    inner_told_ += count;
    return count;
  }
  if (!queue.empty()) return 0;
  const std::size_t count = put(bytes);
  if (count != 0) {
    ++link_.mine().tx_messages;
    wake_peer();
  }
  return count;
}

std::uint64_t SharedTransport::carried(std::uint64_t told) const {
  return told - (inner_told_ - inner_->carried(inner_told_));
}

void SharedTransport::bytes_sent(std::size_t count) {
  inner_told_ += count;
  if (!resend_.empty()) {
    resend_.consume(count);
    return;
  }
  user_->bytes_sent(count);
}

void SharedTransport::output_ready() {
  if (!resend_.empty()) {
    static_cast<void>(inner_->write(resend_));
    if (!resend_.empty()) return;
  }
  user_->output_ready();
}

// The peer reads no more rings: what it has not read goes to it by TCP.
void SharedTransport::answer_fold() {
  smc::Sender<> sender = link_.sender();
  if (sender.lane() == smc::Lane::kTcp) return;
  if (!sender.start_resend(link_.tcp_written(fd()))) {
    // Behind what it has not read lie bytes that went by TCP: it reads the rings up to those.
    go_to_tcp();
    return;
  }
  for (std::span<const char> chunk; !(chunk = sender.resend_chunk()).empty();) {
    resend_.append(std::string_view(chunk.data(), chunk.size()));
    sender.resent(chunk.size());
  }
  wake_peer();
  static_cast<void>(inner_->write(resend_));
}

void SharedTransport::shutdown_write() {
  link_.mine().flags.fetch_or(smc::kFlagWriteShut, std::memory_order_acq_rel);
  if (link_.sender().may_leave()) go_to_tcp();
  inner_->shutdown_write();
}

void SharedTransport::close(bool reset) {
  if (std::exchange(closed_, true)) return;
  if (retry_.is_valid()) loop_.cancel(retry_);
  shared_.remove(*this);
  inner_->close(reset);
}

}  // namespace leat::internal
