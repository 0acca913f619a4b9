// Public: the queue of packets that other CPUs, or the CPU itself, gave to a CPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace leat::steering {

/// Whatever the user knows its packet by: an address, an index. Steering only carries it.
using PacketHandle = std::uint64_t;

/// What a CPU has been given and what it has done, counted in packets; both wrap around.
struct BacklogPosition {
  std::uint32_t head = 0;  ///< Processed. Advanced at the end of a batch, by the batch.
  std::uint32_t tail = 0;  ///< Enqueued.

  /// head - last_tail as a signed number: not negative once all packets up to the one whose
  /// enqueuing gave `last_tail` have been processed.
  [[nodiscard]] std::int32_t beyond(std::uint32_t last_tail) const {
    return static_cast<std::int32_t>(head - last_tail);
  }
};

/// softnet_data's two queues in one ring. It holds at most twice max_backlog + 1 packets: as many
/// as may wait, and as many again that the CPU has taken over to process. No allocation after the
/// constructor. One thread at a time.
///
///            process_begin        input_begin          end
///     ring   |                    |                    |
///     -------+--------------------+--------------------+-------
///            | process queue      | input queue        |
///     -------+--------------------+--------------------+-------
///            dequeue() takes here                       enqueue() puts here
///            |<- <= max + 1     ->|<-  <= max + 1    ->|  only these count against the limit
class Backlog {
 public:
  static constexpr std::size_t kMaxLimit = std::size_t{1} << 24;

  /// At most kMaxLimit.
  explicit Backlog(std::size_t max_backlog);

  /// Whether the input queue takes no more: the kernel compares with `>`, so that it holds
  /// max_backlog + 1 packets.
  [[nodiscard]] bool full() const { return input_size() > max_; }
  [[nodiscard]] bool half_full() const { return input_size() >= max_ / 2; }

  /// What came of a packet that was put in.
  struct Queued {
    std::uint32_t tail;  ///< For the flow's slot.
    bool wake;           ///< The CPU was asleep: it has to be told to dequeue.
  };
  /// It must not be full.
  Queued enqueue(PacketHandle packet);
  /// The next packet of the batch. Nothing if both queues are empty, and then the CPU sleeps until
  /// an enqueue() tells to wake it.
  [[nodiscard]] std::optional<PacketHandle> dequeue();
  /// All packets dequeued since the last call have been processed, so flows may leave this CPU.
  void end_batch();

  [[nodiscard]] const BacklogPosition& position() const { return position_; }
  [[nodiscard]] std::size_t input_size() const { return end_ - input_begin_; }
  [[nodiscard]] std::size_t process_size() const { return input_begin_ - process_begin_; }

 private:
  std::size_t max_;
  std::vector<PacketHandle> ring_;  // a power of two
  // Counts of packets, never reduced to the ring's size.
  std::size_t process_begin_ = 0;
  std::size_t input_begin_ = 0;
  std::size_t end_ = 0;
  std::uint32_t batch_ = 0;
  bool awake_ = false;
  BacklogPosition position_;
};

}  // namespace leat::steering
