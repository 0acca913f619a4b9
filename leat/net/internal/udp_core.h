// Internal: what stands behind a UdpSocket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "leat/base/result.h"
#include "leat/net/internal/udp_open.h"
#include "leat/net/internal/udp_receive_batch.h"
#include "leat/net/internal/udp_send_queue.h"
#include "leat/net/udp_socket.h"
#include "leat/reactor/channel.h"
#include "leat/reactor/event_loop.h"

namespace leat::internal {

/// Lives until the end of the iteration in which it was closed, so a callback may destroy the
/// UdpSocket that it came from. Belongs to the loop's thread.
///
///                     send() fills the queue
///            +------+ ---------------------> +----------+   EAGAIN   +---------+
///            | idle |                        | gathered |----------->| blocked |
///            +------+ <--------------------- +----------+<-----------+---------+
///                     written at the end of                EPOLLOUT
///                     the iteration, or early
class UdpCore : public std::enable_shared_from_this<UdpCore> {
 public:
  UdpCore(EventLoop& loop, OpenedUdp opened, UdpOptions options);
  ~UdpCore();
  UdpCore(const UdpCore&) = delete;
  UdpCore& operator=(const UdpCore&) = delete;

  /// Once, before anything else.
  void close_with_loop();

  // As in UdpSocket.

  Result<void> start();
  void pause();
  [[nodiscard]] bool is_receiving() const { return channel_.is_reading(); }
  Result<void> send(std::string_view payload, const DatagramRoute& route);
  void flush();
  [[nodiscard]] std::size_t queued() const {
    return queue_.bytes() + queue_.runs() * UdpSocket::kSendCost;
  }
  void close();
  [[nodiscard]] bool is_open() const { return !closed_; }
  [[nodiscard]] Result<std::size_t> path_mtu() const;
  void refresh_kernel_drops();
  [[nodiscard]] const UdpCounters& counters() const { return counters_; }
  [[nodiscard]] EventLoop& loop() const { return loop_; }
  [[nodiscard]] int fd() const { return socket_.get(); }

  UdpSocket::DatagramsCallback on_datagrams;
  UdpSocket::ErrorCallback on_error;
  UdpSocket::WritableCallback on_writable;

 private:
  // Receiving.
  void handle_read();
  void deliver(UdpReceiveBatch& batch, std::size_t count);
  void note_drops(std::uint32_t total);

  // Errors.
  void handle_error() { take_errors(0); }
  /// Reports what the error queue holds, and `number` if that is nothing.
  void take_errors(int number);
  /// False if the queue is empty.
  bool take_queued_error();
  void report(UdpError::Origin origin, int number, std::string_view what, const InetAddress& peer);
  void report(const UdpError& error);

  // Sending, udp_core_send.cc.
  [[nodiscard]] Result<void> admit(std::string_view payload, const DatagramRoute& route);
  [[nodiscard]] Result<DatagramRoute> in_own_domain(const DatagramRoute& route) const;
  [[nodiscard]] UdpSendQueue::Joining joining() const;
  [[nodiscard]] std::size_t low_water_mark() const;
  void schedule_flush();
  void flush_gathered();
  void write_queue();
  void write_quietly();
  /// Writes up to `most` datagrams, which it counts down. 0, or the errno value of the refusal.
  int write(UdpSendBatch& batch, std::size_t& most);
  /// Deals with a refusal so that writing can go on. What is lost for good it returns.
  std::optional<UdpSendQueue::Lost> refused(int number, const UdpSendBatch& batch);
  void tell_lost(int number, const UdpSendQueue::Lost& lost);
  void tell_owed();
  void wait_for_room();

  EventLoop& loop_;
  UniqueFd socket_;
  const InetAddress local_;
  const std::optional<InetAddress> peer_;
  const UdpOptions options_;
  Channel channel_;
  UdpCounters counters_;
  std::uint32_t drops_seen_ = 0;
  EventLoop::ExitId exit_id_ = 0;
  bool closed_ = false;

  UdpSendQueue queue_;
  bool gso_;
  std::size_t smallest_refused_;  // segments from this size on are not joined any more
  bool flush_scheduled_ = false;
  bool writing_ = false;        // inside write_queue()
  bool rejected_ = false;       // since on_writable
  bool early_refused_ = false;  // in this iteration, so the end of it is waited for
  // A refusal that may have been meant for an earlier datagram: the head is tried once more.
  bool retried_ = false;
  int suspect_ = 0;  // it, if nobody else tells of it
  int owed_ = 0;     // it, when it has turned out so
};

}  // namespace leat::internal
