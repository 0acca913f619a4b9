// Internal: TLS over another transport.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/net/internal/send_queue.h"
#include "leat/net/internal/transport.h"
#include "leat/net/tls_context.h"
#include "leat/net/tls_info.h"
#include "leat/reactor/event_loop.h"

namespace leat::internal {

class TlsEngine;

/// Ready when the handshake is done. Data of the user's becomes records in a queue of its own,
/// which is bounded: when it is full, the user's queue waits as it does for a full kernel.
///
///     user's SendQueue --write()--> TlsEngine --> output_ --write()--> inner transport
///     bytes_arrived()  <----------- TlsEngine <--------- bytes_arrived()
class TlsTransport final : public Transport, private TransportUser {
 public:
  /// Records that wait for the kernel before no more are made.
  static constexpr std::size_t kMaxOutput = 64 * 1024;
  /// Records that a peer can cause itself (answers to key updates) before it is not read.
  static constexpr std::size_t kMaxAnswers = 128 * 1024;

  /// A session that begins with what `output` holds, in clear: that was sent before. Fails as
  /// TlsEngine::make() does. attach() must follow, and start() after it.
  [[nodiscard]] static Result<std::unique_ptr<TlsTransport>> make(EventLoop& loop,
                                                                  const TlsContext& context,
                                                                  std::string_view server_name,
                                                                  SendQueue& output,
                                                                  NetCounters& counters);
  ~TlsTransport() override;

  /// What it stands on, and `output`, the same that make() was given. With `is_running` the inner
  /// transport was started before and has carried `sent` bytes.
  void attach(std::unique_ptr<Transport> inner, std::unique_ptr<SendQueue> output, bool is_running,
              std::uint64_t sent);
  /// Input that belongs to the session and came before it began; throws without memory.
  void feed_early(std::string_view bytes);
  [[nodiscard]] TlsInfo info() const;

  Result<void> start(TransportUser& user) override;
  [[nodiscard]] bool is_ready() const override { return ready_; }
  void set_user(TransportUser& user) override { user_ = &user; }
  Result<void> set_reading(bool on) override;
  void continue_input() override;
  Written write(SendQueue& queue) override;
  std::size_t write_now(const SendQueue& queue, std::string_view bytes) override;
  [[nodiscard]] bool is_blocked() const override { return blocked_ || inner_->is_blocked(); }
  void shutdown_write() override;
  void close(bool reset) override;
  [[nodiscard]] int fd() const override { return inner_->fd(); }
  [[nodiscard]] std::size_t held_output() const override { return output_->memory_bytes(); }
  [[nodiscard]] std::uint64_t carried(std::uint64_t /*told*/) const override { return carried_; }

 private:
  TlsTransport(EventLoop& loop, Duration handshake_timeout, NetCounters& counters);

  // The inner transport's user.
  [[nodiscard]] std::size_t receive_room() const override;
  void bytes_arrived(std::string_view bytes) override;
  void input_ended() override;
  void bytes_sent(std::size_t count) override;
  void output_ready() override;
  void transport_ready() override;
  void transport_failed(int number, std::string_view what) override;

  Result<void> begin();
  void process_input();
  [[nodiscard]] bool go_on_with_handshake();
  void handshake_done();
  void read_data();
  [[nodiscard]] bool tell_end();
  void fail(int number, std::string_view what);
  void time_out();
  void watch_inner();
  void run_later();

  /// Makes records of the head of `queue`; kAll if that went well.
  [[nodiscard]] Written encrypt_some(SendQueue& queue);
  [[nodiscard]] Written encrypt_file(SendQueue& queue);
  [[nodiscard]] Written encrypt_memory(SendQueue& queue);

  EventLoop& loop_;
  const Duration handshake_timeout_;
  NetCounters& counters_;
  std::unique_ptr<SendQueue> output_;
  std::unique_ptr<TlsEngine> engine_;
  std::unique_ptr<Transport> inner_;
  TransportUser* user_ = nullptr;
  TimerId handshake_timer_;
  std::shared_ptr<bool> later_;  // a task on its way; false: forget it
  std::uint64_t carried_ = 0;    // bytes that the inner transport has taken

  bool inner_runs_ = false;
  bool inner_reading_ = false;
  bool ready_ = false;
  bool reading_ = false;  // the user wants input
  bool input_over_ = false;
  bool end_told_ = false;
  bool blocked_ = false;    // the user waits for output_ready()
  bool fin_waits_ = false;  // for the output
  bool failed_ = false;
  bool closed_ = false;
};

}  // namespace leat::internal
