#include "tests/smc/simulation_end.h"

#include <algorithm>

namespace leat::smc::sim {
namespace {

/// The byte of the stream at a position; never 0, which is a doorbell.
unsigned char byte_at(std::uint64_t position) {
  return static_cast<unsigned char>(1 + ((position * 2'654'435'761U) >> 13U) % 255);
}

}  // namespace

std::span<char> SimSender::room(std::size_t wanted) {
  if (device_.world->has(Bug::kBigRingWhileUnread) && lane() == Lane::kSmall &&
      free_space(Lane::kSmall) < wanted && free_space(Lane::kBig) != 0 && has_span_slots(2)) {
    change(Lane::kBig);
  }
  if (device_.world->has(Bug::kBigRingWhileUnread) && lane() == Lane::kBig &&
      free_space(Lane::kSmall) >= wanted && has_span_slots(2)) {
    change(Lane::kSmall);
  }
  return Sender::room(wanted);
}

std::span<const char> SimSender::resend_chunk() const {
  const OwnSpan& span = sent_span(mine_);
  const std::uint64_t small = span.resend[0];
  const std::uint64_t big = span.resend[1];
  if (!device_.world->has(Bug::kResendBigFirst) || span.lane != kResent || small * big == 0 ||
      mine_.tx_resent >= small + big) {
    return Sender::resend_chunk();
  }
  const std::uint64_t done = mine_.tx_resent;
  const std::size_t i = done < big ? 1 : 0;
  const std::uint64_t left = done < big ? big - done : small + big - done;
  return LoopbackDevice::window(rings_[i], mine_.tx_produced[i] - left, left);
}

End::End(World& world, unsigned number, const Memory& memory, TcpQueue& out, TcpQueue& in)
    : world_(world),
      number_(number),
      memory_(memory),
      out_(out),
      in_(in),
      sender_(memory.mine, memory.peer, memory.peer_rings, {&world, number}),
      receiver_(memory.mine, memory.peer, memory.own_rings, {&world, number}) {}

void End::begin_on_tcp(std::size_t size) {
  returned = send_tcp(0, size);
  for (std::uint64_t left = world_.below(returned + 1); left > 0; --left) {
    out_.bytes.pop_front();
    ++out_.consumed;
    ++other->received;
  }
}

void End::start() {
  sender_.start(out_.written);
  receiver_.start(in_.consumed);
  memory_.mine.flags = kFlagInputReady;
}

bool End::is_gone() const {
  return std::none_of(holders.begin(), holders.end(), [](const Holder& h) { return h.alive; });
}

bool End::others_sleep() const {
  return memory_.mine.native_waiters != 0;
}

std::uint64_t End::accepted() const {
  const OwnSpan& span = sent_span(memory_.mine);
  if (lane_of(span) != Lane::kTcp) return sent_position(memory_.mine);
  const std::uint64_t by_tcp = out_.written - span.base;
  const std::uint64_t by_ring = span.lane == kResent ? span.resend[0] + span.resend[1] : 0;
  return span.position + std::max(by_tcp, by_ring);
}

// --- Locks and death ---------------------------------------------------------------------------

bool End::lock_sender() {
  const bool recover = tx_.is_orphaned();
  if (tx_.owner != nullptr && !recover) return false;
  tx_.owner = caller;
  if (!recover) return true;
  if (!world_.has(Bug::kNoRecovery)) {
    sender_.recover(out_.written);
    wake_peer();
    other->wake_futex();
    if (sender_.lane() != Lane::kTcp) ring_doorbell();
  }
  returned = accepted();
  return true;
}

bool End::lock_receiver() {
  const bool recover = rx_.is_orphaned();
  if (rx_.owner != nullptr && !recover) return false;
  rx_.owner = caller;
  if (!recover || raw) return true;
  if (!world_.has(Bug::kNoRecovery)) receiver_.recover(in_.consumed);
  // What the dead had read is lost with it, as with TCP.
  received = receiver_.position();
  return true;
}

void End::leave(Holder& holder) const {
  for (const Holder& another : holders) {
    if (another.alive && &another != &holder) holder.alive = false;
  }
}

void End::bury(Holder& holder) {
  holder.alive = false;
  world_.countdown[number_] = 0;
  if (!is_gone()) return;
  world_.see_all(number_);
  out_.ended = true;
}

// --- Sending -----------------------------------------------------------------------------------

std::size_t End::send_tcp(std::uint64_t position, std::size_t size) {
  world_.hook(number_);
  world_.see_all(number_);
  const std::size_t count = std::min(size, out_.capacity - out_.bytes.size());
  for (std::size_t i = 0; i < count; ++i) out_.bytes.push_back(byte_at(position + i));
  out_.written += count;
  return count;
}

void End::wake_peer() {
  const std::uint32_t marks = sender_.take_marks();
  if ((marks & kWaitFutex) != 0) other->wake_futex();
  if ((marks & kWaitDoorbell) != 0 && sender_.lane() != Lane::kTcp) ring_doorbell();
}

void End::ring_doorbell() {
  world_.hook(number_);
  world_.see_all(number_);
  if (out_.bytes.size() >= out_.capacity) return;
  out_.bytes.push_back(0);
  ++out_.written;
}

std::size_t End::send_ring(std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const std::span<char> room = sender_.room(size - done);
    if (room.empty()) break;
    if (world_.has(Bug::kCursorBeforeBytes)) sender_.commit(room.size());
    for (std::size_t i = 0; i < room.size(); ++i) {
      room[i] = static_cast<char>(byte_at(returned + done + i));
    }
    if (!world_.has(Bug::kCursorBeforeBytes)) sender_.commit(room.size());
    done += room.size();
  }
  wake_peer();
  return done;
}

void End::leave_ring() {
  if (sender_.lane() == Lane::kTcp) return;
  if (!sender_.may_leave()) throw Failure{"no slot in the log for leaving the ring"};
  sender_.to_tcp(out_.written);
  if (!world_.has(Bug::kTcpWithoutWaking)) wake_peer();
}

// Whether nothing is left that must go before other bytes.
bool End::resend() {
  if (!sender_.fold_wanted()) return true;
  if (sender_.lane() != Lane::kTcp) {
    if (!sender_.start_resend(out_.written)) leave_ring();
    wake_peer();
  }
  for (std::span<const char> chunk; !(chunk = sender_.resend_chunk()).empty();) {
    world_.hook(number_);
    world_.see_all(number_);
    const std::size_t count =
        std::min({chunk.size(), out_.capacity - out_.bytes.size(), 1 + world_.below(20)});
    if (count == 0) return false;
    for (const char c : chunk.first(count)) out_.bytes.push_back(static_cast<unsigned char>(c));
    out_.written += count;
    sender_.resent(count);
  }
  return true;
}

void End::answer_fold() {
  // A sender killed before it could wake its peer had not returned: as if it had not sent. The next
  // one to take its lock makes it sent.
  if (shut || (!sender_.fold_wanted() && !tx_.is_orphaned()) || !lock_sender()) return;
  static_cast<void>(resend());
  tx_ = {};
}

void End::send(std::size_t size) {
  if (shut || other->is_gone() || !lock_sender()) return;
  if (resend()) {
    if (sender_.lane() == Lane::kTcp && sender_.may_return()) {
      sender_.to_ring(out_.written);
      if (sender_.lane() == Lane::kTcp) wake_peer();
    }
    std::size_t done = sender_.lane() == Lane::kTcp ? 0 : send_ring(size);
    if (done < size) {
      leave_ring();
      done += send_tcp(returned + done, size - done);
    }
    returned += done;
  }
  tx_ = {};
}

void End::shut_write() {
  if (shut || !lock_sender()) return;
  if (resend()) {
    memory_.mine.flags |= kFlagWriteShut;
    leave_ring();
    shut = true;
    world_.see_all(number_);
    out_.ended = true;
  }
  tx_ = {};
}

void End::fold_output() {
  if (shut || !lock_sender()) return;
  memory_.mine.flags |= kFlagFoldOutput;
  leave_ring();
  tx_ = {};
}

std::string End::state() const {
  const EndControl& mine = memory_.mine;
  const OwnSpan& span = read_span(mine);
  std::string text = "reads in lane " + std::to_string(span.lane) + " at " +
                     std::to_string(read_position(mine)) + ", socket at " +
                     std::to_string(mine.rx_tcp_consumed) + " with " +
                     std::to_string(in_.bytes.size()) + " bytes, produced";
  for (std::size_t i = 0; i < kRings; ++i) {
    text += " " + std::to_string(mine.produced[i] - mine.rx_consumed[i]);
  }
  if (receiver_.is_folding()) text += ", folding";
  text += ", marks " + std::to_string(mine.wait) + ", sleepers";
  for (const Holder& holder : holders) {
    text += !holder.alive                           ? " dead"
            : holder.sleep == Holder::Sleep::kAwake ? " awake"
            : holder.sleep == Holder::Sleep::kFutex ? " futex"
                                                    : " socket";
  }
  for (std::uint64_t i = span.taken; i != mine.spans && i != span.taken + kSpanSlots; ++i) {
    const SpanRecord& record = mine.span_log[i % kSpanSlots];
    text += "; at " + std::to_string(record.position) + " lane " +
            std::to_string(record.tcp_offset_and_lane & 3U) + " socket " +
            std::to_string(record.tcp_offset_and_lane >> 2U);
  }
  return text;
}

// --- Receiving ---------------------------------------------------------------------------------

void End::check(unsigned char byte, std::uint64_t position) const {
  if (byte != byte_at(position)) {
    throw Failure{"end " + std::to_string(number_) + " read a wrong byte at " +
                  std::to_string(position)};
  }
}

std::size_t End::read_ring(std::span<const char> bytes, std::size_t size, bool only_peek) {
  const std::size_t count = std::min(size, bytes.size());
  if (world_.has(Bug::kConsumedBeforeCopy) && !only_peek) {
    receiver_.consume(count);
    world_.hook(number_);
  }
  for (std::size_t i = 0; i < count; ++i) {
    check(static_cast<unsigned char>(bytes[i]), received + i);
  }
  if (only_peek) return 0;
  if (!world_.has(Bug::kConsumedBeforeCopy)) receiver_.consume(count);
  received += count;
  return count;
}

std::size_t End::read_tcp(std::uint64_t limit, std::size_t size, bool only_peek) {
  world_.hook(number_);
  std::size_t count = std::min<std::uint64_t>({limit, size, in_.bytes.size()});
  if (limit == kNoLimit && !world_.has(Bug::kNoPeekRule)) {
    const Input again = receiver_.look();
    if (again.kind != Input::Kind::kTcp) return 0;
    count = std::min<std::uint64_t>(count, again.tcp_limit);
  }
  for (std::size_t i = 0; i < count; ++i) check(in_.bytes[i], received + i);
  if (only_peek) return 0;
  in_.bytes.erase(in_.bytes.begin(), in_.bytes.begin() + static_cast<std::ptrdiff_t>(count));
  in_.consumed += count;
  received += count;
  world_.hook(number_);
  receiver_.tcp_received(count);
  return count;
}

// False if there are none. A doorbell that woke another thread stays until the ring is empty.
bool End::eat_doorbells(const Input& seen) {
  world_.hook(number_);
  const std::size_t there = in_.bytes.size();
  if (there == 0) return false;
  if (others_sleep() && !world_.has(Bug::kEatWithoutRearming)) {
    world_.see_all(number_);
    memory_.mine.wait |= kWaitDoorbell;
  }
  Input input = seen;
  if (!world_.has(Bug::kNoDoorbellPeekRule)) input = receiver_.look();
  if (input.kind != Input::Kind::kRing || !input.bytes.empty()) return true;
  const std::size_t count = std::min<std::uint64_t>(input.doorbells, there);
  if (count == 0) return true;
  in_.bytes.erase(in_.bytes.begin(), in_.bytes.begin() + static_cast<std::ptrdiff_t>(count));
  in_.consumed += count;
  world_.hook(number_);
  receiver_.doorbells_eaten(count);
  return true;
}

// One step of reading; false if it would block, or at the end.
bool End::read_some(std::size_t& size, bool only_peek) {
  const bool gone = in_.ended && other->is_gone();
  if (gone && receiver_.is_folding()) receiver_.give_up_fold();
  const Input input = receiver_.look();
  if (input.kind == Input::Kind::kBroken)
    throw Failure{"end " + std::to_string(number_) + " takes a sound peer for broken: " + state()};
  if (input.kind == Input::Kind::kRing && !input.bytes.empty()) {
    size -= read_ring(input.bytes, size, only_peek);
    return !only_peek;
  }
  if (input.kind == Input::Kind::kRing) {
    if (world_.has(Bug::kDoorbellIsData) && input.doorbells != 0 && input.doorbells != kNoLimit) {
      receiver_.doorbells_eaten(input.doorbells);
      return true;
    }
    if (input.doorbells != 0 && eat_doorbells(input)) return true;
    saw_end |= in_.ended && in_.bytes.empty() && !receiver_.maybe_readable();
    return false;
  }
  if (in_.bytes.empty()) {
    if (const auto rest = receiver_.rest(); gone && !rest.empty()) {
      size -= read_ring(rest, size, only_peek);
      return !only_peek;
    }
    saw_end |= in_.ended && !receiver_.maybe_readable();
    return false;
  }
  const bool unlimited = input.tcp_limit == kNoLimit;
  const std::size_t count = read_tcp(input.tcp_limit, size, only_peek);
  size -= count;
  return !only_peek && (count != 0 || unlimited);
}

// A program that a folded socket was given to.
void End::read_raw(std::size_t size) {
  for (; size != 0 && !in_.bytes.empty(); --size) {
    check(in_.bytes.front(), received++);
    in_.bytes.pop_front();
    ++in_.consumed;
  }
  saw_end |= in_.ended && in_.bytes.empty();
}

void End::receive(std::size_t size, bool only_peek) {
  if (!lock_receiver()) return;
  if (receiver_.is_folding() && !raw) {
    const Input input = receiver_.look();
    raw = input.kind == Input::Kind::kTcp && input.tcp_limit == kNoLimit &&
          in_.consumed + in_.bytes.size() >= receiver_.resend_ends_at();
  }
  if (raw) read_raw(size);
  for (int i = 0; i < 100 && !raw && size != 0 && read_some(size, only_peek); ++i) {
  }
  rx_ = {};
}

void End::want_fold() {
  if (receiver_.is_folding() || !lock_receiver()) return;
  world_.see_all(number_);
  receiver_.want_fold();
  rx_ = {};
}

// --- Sleeping ----------------------------------------------------------------------------------

void End::sleep(Holder& holder) {
  const bool futex = !raw && receiver_.lane() != Lane::kTcp && world_.one_in(2);
  const auto mark = [&] {
    world_.see_all(number_);
    memory_.mine.wait |= futex ? kWaitFutex : kWaitDoorbell;
  };
  if (!futex) ++memory_.mine.native_waiters;
  if (!world_.has(Bug::kLookBeforeArming)) mark();
  const bool readable = receiver_.maybe_readable() || (futex && receiver_.lane() == Lane::kTcp);
  world_.hook(number_);
  if (world_.has(Bug::kLookBeforeArming)) mark();
  const bool marked = (memory_.mine.wait & kWaitFutex) != 0;  // FUTEX_WAIT compares.
  if (readable || (futex ? !marked : !in_.bytes.empty() || in_.ended)) {
    if (!futex) --memory_.mine.native_waiters;
    return;
  }
  holder.sleep = futex ? Holder::Sleep::kFutex : Holder::Sleep::kSocket;
}

void End::wake_futex() {
  for (Holder& holder : holders) {
    if (holder.sleep == Holder::Sleep::kFutex) holder.sleep = Holder::Sleep::kAwake;
  }
}

void End::wake() {
  // The peer that wants to fold wakes this end, and waits for the answer.
  const bool called = sender_.fold_wanted() || tx_.is_orphaned() || rx_.is_orphaned();
  for (Holder& holder : holders) {
    if (called && holder.alive && holder.sleep != Holder::Sleep::kAwake) {
      if (holder.sleep == Holder::Sleep::kSocket) --memory_.mine.native_waiters;
      holder.sleep = Holder::Sleep::kAwake;
    }
    if (!world_.settling && world_.one_in(2)) continue;  // The kernel takes its time.
    if (holder.sleep == Holder::Sleep::kSocket && (!in_.bytes.empty() || in_.ended)) {
      holder.sleep = Holder::Sleep::kAwake;
      --memory_.mine.native_waiters;
    }
    // It asks every 50 ms whether the peer has gone.
    if (holder.sleep == Holder::Sleep::kFutex && in_.ended) holder.sleep = Holder::Sleep::kAwake;
  }
}

}  // namespace leat::smc::sim
