// A peer that writes whatever it likes into the shared segment: between the calls of the sender and
// the receiver, and before each access that they make to a shared word.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "leat/smc/receiver.h"
#include "leat/smc/sender.h"

namespace {

using namespace leat::smc;

void check(bool holds) {
  if (!holds) std::abort();
}

/// The fuzzer's bytes, used up from the front; zeros follow.
class Bytes {
 public:
  explicit Bytes(std::span<const std::uint8_t> data) : data_(data) {}
  [[nodiscard]] bool empty() const { return data_.empty(); }
  std::uint8_t byte() {
    if (data_.empty()) return 0;
    const std::uint8_t first = data_.front();
    data_ = data_.subspan(1);
    return first;
  }
  std::uint64_t word() {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8U | byte();
    return value;
  }

 private:
  std::span<const std::uint8_t> data_;
};

/// What the hostile peer has mapped: both blocks, the victim's own lines as well.
class Hostile {
 public:
  Hostile(EndControl* blocks, Bytes& bytes) : blocks_(blocks), bytes_(bytes) {}

  void scribble() {
    constexpr std::uint64_t kWords = 2 * sizeof(EndControl) / sizeof(std::uint64_t);
    const std::uint64_t which = (std::uint64_t{bytes_.byte()} << 8U | bytes_.byte()) % kWords;
    auto& word = reinterpret_cast<std::atomic<std::uint64_t>*>(blocks_)[which];
    const std::uint8_t how = bytes_.byte();
    const std::uint64_t was = word.load(std::memory_order_relaxed);
    switch (how % 4) {
      case 0:
        word.store(was + how / 4 - 32);
        break;
      case 1:
        word.store(how / 4);
        break;
      case 2:
        word.store(std::uint64_t{1} << (how / 4));
        break;
      default:
        word.store(bytes_.word());
        break;
    }
  }
  void maybe_scribble() {
    if (!bytes_.empty() && bytes_.byte() % 4 == 3) scribble();
  }

 private:
  EndControl* blocks_;
  Bytes& bytes_;
};

/// Loopback, with the peer coming in between.
struct WatchedDevice {
  Hostile* hostile;

  std::span<char> window(const RemoteRing& ring, std::uint64_t offset, std::size_t size) const {
    hostile->maybe_scribble();
    const std::span<char> room = LoopbackDevice::window(ring, offset, size);
    check(room.data() >= ring.data && room.data() + room.size() <= ring.data + ring.size);
    return room;
  }
  void move_data(std::atomic<std::uint64_t>& cursor, std::uint64_t value) const {
    LoopbackDevice::move_data(cursor, value);
    hostile->maybe_scribble();
  }
  void post(std::atomic<std::uint64_t>& word, std::uint64_t value) const {
    LoopbackDevice::post(word, value);
    hostile->maybe_scribble();
  }
  std::uint64_t load(const std::atomic<std::uint64_t>& word) const {
    hostile->maybe_scribble();
    return LoopbackDevice::load(word);
  }
  void keep(std::atomic<std::uint64_t>& word, std::uint64_t value) const {
    LoopbackDevice::keep(word, value);
    hostile->maybe_scribble();
  }
  std::uint32_t take_marks(std::atomic<std::uint32_t>& marks, std::uint32_t which) const {
    hostile->maybe_scribble();
    return LoopbackDevice::take_marks(marks, which);
  }
  std::uint32_t settle(std::atomic<std::uint32_t>& word) const {
    hostile->maybe_scribble();
    return LoopbackDevice::settle(word);
  }
};
static_assert(IsmDevice<WatchedDevice>);

constexpr std::uint32_t kSmall = 64;
constexpr std::uint32_t kBig = 256;

/// Both halves, each of which is its own peer's victim. The rings are of exactly their size:
/// AddressSanitizer watches their ends.
class Victim {
 public:
  explicit Victim(Bytes& bytes) : bytes_(bytes), hostile_(blocks_.get(), bytes) {
    sender_.start(bytes.byte());
    receiver_.start(bytes.byte());
    blocks_[0].flags = blocks_[1].flags = kFlagInputReady;
  }

  void act() {
    const std::uint8_t what = bytes_.byte();
    const std::uint64_t number = bytes_.byte();
    switch (what % 16) {
      case 0:
        return sender_.to_ring(number);
      case 1:
        return sender_.to_tcp(number);
      case 2:
        return sender_.recover(number);
      case 3:
        return receiver_.recover(number);
      case 4:
        return static_cast<void>(sender_.start_resend(number));
      case 5:
        return resend();
      case 6:
        return receiver_.want_fold();
      case 7:
        return receiver_.give_up_fold();
      case 8:
        return touch(receiver_.rest());
      case 9:
        return static_cast<void>(receiver_.readable(number));
      case 10:
        return hostile_.scribble();
      case 11:
        return ask();
      case 12:
      case 13:
        return send(number + 1);
      default:
        return receive(number + 1);
    }
  }

 private:
  void send(std::size_t size) {
    const std::span<char> room = sender_.room(size);
    check(room.size() <= size);
    if (room.empty()) return;
    std::memset(room.data(), 'x', room.size());
    std::size_t put = room.size();
    if (put < size) {
      const std::span<char> behind = sender_.room_behind(put, size - put);
      check(behind.size() <= size - put);
      if (!behind.empty()) std::memset(behind.data(), 'y', behind.size());
      put += behind.size();
    }
    sender_.commit(put);
  }
  void resend() {
    // Who scribbles may keep it going; the victim sends as much as TCP takes, no more.
    for (int i = 0; i < 8; ++i) {
      const std::span<const char> chunk = sender_.resend_chunk();
      touch(chunk);
      if (chunk.empty()) return;
      sender_.resent(1 + bytes_.byte() % chunk.size());
    }
  }
  void receive(std::uint64_t size) {
    const Input input = receiver_.look();
    touch(input.bytes);
    touch(input.more);
    if (!input.bytes.empty()) {
      receiver_.consume(1 + size % input.bytes.size());
    } else if (input.kind == Input::Kind::kTcp) {
      receiver_.tcp_received(std::min(size, input.tcp_limit));
    } else if (input.doorbells != 0) {
      receiver_.doorbells_eaten(std::min(size, input.doorbells));
    }
  }
  void ask() {
    sum_ += sender_.unread() + receiver_.ring_bytes() + receiver_.position() +
            sender_.take_marks() + receiver_.resend_ends_at() +
            static_cast<std::uint64_t>(receiver_.maybe_readable()) +
            static_cast<std::uint64_t>(sender_.may_return()) +
            static_cast<std::uint64_t>(sender_.may_leave()) +
            static_cast<std::uint64_t>(sender_.fold_wanted()) +
            static_cast<std::uint64_t>(sender_.big_ring_is_idle());
  }
  void touch(std::span<const char> bytes) {
    check(bytes.size() <= kBig);
    for (const char byte : bytes) sum_ += static_cast<unsigned char>(byte);
  }

  Bytes& bytes_;
  std::unique_ptr<EndControl[]> blocks_ = std::make_unique<EndControl[]>(2);
  Hostile hostile_;
  std::vector<char> small_ = std::vector<char>(kSmall);
  std::vector<char> big_ = std::vector<char>(kBig);
  std::array<RemoteRing, kRings> rings_{{{small_.data(), kSmall}, {big_.data(), kBig}}};
  Sender<WatchedDevice> sender_{blocks_[0], blocks_[1], rings_, {&hostile_}};
  Receiver<WatchedDevice> receiver_{blocks_[1], blocks_[0], rings_, {&hostile_}};
  std::uint64_t sum_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(std::span(data, size));
  Victim victim(bytes);
  for (int i = 0; i < 512 && !bytes.empty(); ++i) victim.act();
  return 0;
}
