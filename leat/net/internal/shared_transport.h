// Internal: a connection whose bytes go through shared memory, over its socket's transport.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "leat/net/internal/send_queue.h"
#include "leat/net/internal/shared_join.h"
#include "leat/net/internal/transport.h"
#include "leat/reactor/timer_id.h"

namespace leat {
class EventLoop;
struct NetCounters;
}  // namespace leat

namespace leat::internal {

class SharedLoop;

/// Takes the place of the socket's transport in a running connection, once both ends have proved
/// to be one connection (smc::Link). What a span says goes by TCP still does, through the inner
/// transport, and so do the end of the stream, errors and doorbells.
///
///     user's SendQueue --write()--> the peer's ring, or inner transport
///     bytes_arrived()  <-- pump() -- own rings, or tcp_ (bytes that the inner transport has told)
class SharedTransport final : public Transport, private TransportUser {
 public:
  struct Begin {
    bool reading;        ///< As set_reading() was called last.
    std::uint64_t sent;  ///< Bytes that the inner transport has told to have sent.
  };
  /// The peer may send by ring already. `shared` is the loop's.
  SharedTransport(EventLoop& loop, SharedLoop& shared, std::unique_ptr<Transport> inner,
                  std::unique_ptr<SharedMemory> memory, TransportUser& user, Begin begin);
  ~SharedTransport() override;

  Result<void> start(TransportUser& user) override;
  void set_user(TransportUser& user) override { user_ = &user; }
  Result<void> set_reading(bool on) override;
  void continue_input() override;
  Written write(SendQueue& queue) override;
  std::size_t write_now(const SendQueue& queue, std::string_view bytes) override;
  [[nodiscard]] bool is_blocked() const override { return waits_ || inner_->is_blocked(); }
  void shutdown_write() override;
  void close(bool reset) override;
  [[nodiscard]] int fd() const override { return inner_->fd(); }
  [[nodiscard]] std::size_t held_output() const override {
    return resend_.memory_bytes() + inner_->held_output();
  }
  [[nodiscard]] std::uint64_t carried(std::uint64_t told) const override;

  // For SharedLoop, on the loop's thread.

  /// Whether pump() would find something that the user wants.
  [[nodiscard]] bool has_input() const;
  /// Tells the user of all that is there, up to a budget.
  void pump();
  /// Marks this end as asleep; false if something has come meanwhile.
  [[nodiscard]] bool arm();
  void disarm();
  /// Rounds without input, for SharedLoop.
  std::uint32_t idle_rounds = 0;
  /// Where it stands in SharedLoop's list; kNowhere if it is cold.
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
  std::size_t place = kNowhere;

 private:
  // The inner transport's user.
  [[nodiscard]] std::size_t receive_room() const override;
  void bytes_arrived(std::string_view bytes) override;
  void input_ended() override;
  void bytes_sent(std::size_t count) override;
  void output_ready() override;
  void transport_ready() override {}
  void transport_failed(int number, std::string_view what) override;

  [[nodiscard]] bool pump_once();
  void tell_end();
  void answer_fold();
  [[nodiscard]] bool go_to_ring();
  void go_to_tcp();
  [[nodiscard]] std::size_t put(std::string_view bytes);
  [[nodiscard]] std::size_t put_file(const SendQueue::FileRange& range, int& error);
  void wake_peer();
  [[nodiscard]] bool inner_is_quiet() const;
  [[nodiscard]] Written wait_for_span();
  [[nodiscard]] std::size_t put_some(SendQueue& queue, int& error);

  EventLoop& loop_;
  SharedLoop& shared_;
  std::unique_ptr<Transport> inner_;
  std::unique_ptr<SharedMemory> memory_;
  smc::Link& link_;
  TransportUser* user_;
  SendQueue resend_;          // ring bytes that a folding peer wants by TCP
  std::string tcp_;           // told by the inner transport, not told to the user yet
  std::uint64_t inner_told_;  // bytes that the inner transport said it sent
  TimerId retry_;
  std::string failure_what_;
  int failure_ = 0;
  bool reading_;
  bool tcp_over_ = false;  // FIN seen
  bool end_told_ = false;
  bool pumping_ = false;
  bool held_back_ = false;  // tcp_ was full
  bool waits_ = false;  // for room in the log of spans
  bool closed_ = false;
};

}  // namespace leat::internal
