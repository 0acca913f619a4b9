// Public: one stream connection on its loop.
#pragma once

#include <any>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "leat/base/counter.h"
#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/base/unique_fd.h"
#include "leat/net/chunk.h"
#include "leat/net/close_reason.h"
#include "leat/net/connection_callbacks.h"
#include "leat/net/connection_options.h"
#include "leat/net/inet_address.h"
#include "leat/net/internal/connection_move.h"
#include "leat/net/internal/connection_waits.h"
#include "leat/net/internal/transport.h"
#include "leat/net/net_counters.h"
#include "leat/net/receive_buffer.h"
#include "leat/net/tls_info.h"
#include "leat/reactor/loop_handle.h"
#include "leat/reactor/timer_id.h"
#include "leat/smc/fallback_reason.h"

namespace leat {

class EventLoop;
class TlsContext;
namespace internal {
class ConnectionOwner;
class ConnectionPassage;
class SendQueue;
class SharedJoin;
struct SharedMemory;
class TlsTransport;
struct ConnectionProfile;
}  // namespace internal

/// What a connection was made from; for TcpServer, TcpClient and those who have a socket already.
struct ConnectedSocket {
  UniqueFd fd;  ///< A connected, non-blocking stream socket, its options set.
  InetAddress peer;
};

/// A TCP or Unix stream connection. Made by TcpServer and TcpClient.
///
/// It belongs to one loop at a time, and calls back on that loop's thread only. Methods are for
/// that thread unless they say "any thread"; those are safe as long as one holds the pointer, also
/// after the connection, its server and its loop have ended.
///
///                  close(), or the peer          all output            the peer has finished
///                  finished and nobody           sent: FIN             too, or linger_timeout
///      +-------+   asked for half close +----------+        +------------+        +---------+
///      | kOpen |----------------------->| kClosing |------->| kLingering |------->| kClosed |
///      +-------+                        +----------+        +------------+        +---------+
///          |                                 |   the peer had finished: |              ^
///          |                                 +--------------------------+--------------+
///          +---- abort(), an error, a limit, both ends finished: from any state -------+
///
/// In kClosing and kLingering input is read and thrown away, because the kernel answers a close
/// with unread input by a reset, which can destroy output on its way (RFC 1122, 4.2.2.13).
/// on_close is called on entering kClosed; the object is freed after the loop's iteration, or
/// when the last copy of its pointer goes.
class TcpConnection final : public std::enable_shared_from_this<TcpConnection>,
                            private internal::TransportUser {
 public:
  enum class State : std::uint8_t { kOpen, kClosing, kLingering, kClosed };

  ~TcpConnection();
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;

  // Sending. Any thread. What is sent from one thread arrives in that order.
  //
  // Sends from inside a callback are gathered: they are written when the connection's own
  // callback returns, or at the end of the loop's iteration. They fail with EPIPE once the
  // connection is closing or its sending side was shut down, and with ENOBUFS when max_buffered
  // would be passed, which also ends the connection.

  Result<void> send(std::string_view bytes);
  /// Takes the string over instead of copying it.
  Result<void> send(std::string&& bytes);
  Result<void> send(const char* bytes) { return send(std::string_view(bytes)); }
  /// Several pieces, in order and without others' in between.
  Result<void> send(std::span<const std::string_view> pieces);
  /// Keeps `owner` until the bytes are sent or the connection ends, instead of copying: for data
  /// sent to many connections.
  Result<void> send(std::shared_ptr<const void> owner, std::string_view bytes);
  /// Part of a regular file, by sendfile(): the bytes never pass through the process. A cold file
  /// blocks the loop while it is read from disk. If the file turns out shorter, the connection is
  /// ended (CloseReason::kFileTruncated).
  Result<void> send_file(std::shared_ptr<const UniqueFd> file, std::uint64_t offset,
                         std::uint64_t length);

  // Finishing. Any thread. None of these calls back before it has returned.

  /// Sends what is queued, then FIN; input keeps coming. No send() afterwards.
  void shutdown();
  /// Sends what is queued, then closes; see the drawing. Unread input is dropped.
  void close();
  /// Cuts the connection now: unsent output is lost, the peer gets a reset.
  void abort();

  // Reading.

  /// Stops on_message; the kernel's window closes and the peer has to wait.
  void pause_reading();
  /// Undoes pause_reading(), and the pause of a full receive_buffer() from which enough has been
  /// consumed since. If the buffer holds input, on_message is called for it soon.
  void resume_reading();
  [[nodiscard]] ReceiveBuffer& receive_buffer() { return receive_buffer_; }

  // TLS.

  /// Goes on with TLS from here, as a server or a client by what `context` is. What was sent
  /// before goes in clear; what is sent from now on waits for the end of the handshake, after
  /// which `on_ready` is called. What lies in receive_buffer() is taken for TLS, so that nobody on
  /// the way can put words in front of it (as with STARTTLS, RFC 3207 section 6): consume the
  /// words that led here first, and use no view of the buffer afterwards.
  ///
  /// A client gives the name that the server's certificate must have. A handshake that fails ends
  /// the connection, by on_error and on_close (CloseReason::kHandshakeFailed). Fails itself with
  /// EPIPE if the connection is closing or the peer has finished, with EALREADY if there is TLS
  /// already, with EBUSY while the connection moves, and as TlsContext::client() does.
  Result<void> start_tls(const std::shared_ptr<TlsContext>& context,
                         ConnectionCallbacks::Event on_ready = {},
                         std::string_view server_name = {});
  /// What was agreed on; nothing without TLS, or before its handshake is done.
  [[nodiscard]] std::optional<TlsInfo> tls() const;

  // For coroutines of the connection's loop; docs/coroutines.md. Each is awaited at once, as in
  // `co_await connection->read()`, and fails with ECANCELED when the task is cancelled, with
  // ECONNRESET, ETIMEDOUT or ECONNABORTED when the connection is cut (close_reason() says more),
  // and with ENOTCONN when it was closed here. The connection may end meanwhile, and its last
  // pointer go. When such a task uses it, the connection does not close by itself at the peer's
  // end: that is for the task, or for who keeps the task (TcpServer::serve()).

  /// The next bytes, from one to half of receive_limit; an empty Chunk once the peer has finished.
  /// From the first read on, input is for reads and on_message is not called any more. One read at
  /// a time: a second one fails with EBUSY.
  [[nodiscard]] internal::ReadWait read();
  /// `count` bytes; fewer only if the peer has finished. Fails with EMSGSIZE if that is more than
  /// receive_limit.
  [[nodiscard]] internal::ReadWait read_exactly(std::size_t count);
  /// Bytes up to and with `delimiter` (not empty); without it at their end only if the peer has
  /// finished. Fails with EMSGSIZE, and takes nothing, if there is none in the first `most` bytes
  /// or in receive_limit.
  [[nodiscard]] internal::ReadWait read_until(std::string delimiter, std::size_t most);
  /// As send(), and then waits while there is more output than high_water_mark, until it is down to
  /// low_water_mark. What was begun is sent, also if the task is cancelled. Fails as send() does.
  [[nodiscard]] internal::OutputWait write(std::string_view bytes);
  [[nodiscard]] internal::OutputWait write(std::string&& bytes);
  [[nodiscard]] internal::OutputWait write(const char* bytes) {
    return write(std::string_view(bytes));
  }
  /// Waits until all output has gone to the kernel.
  [[nodiscard]] internal::OutputWait drained();
  /// Input is kept for reads from now on: for on_connection, if the first read() comes later.
  void keep_for_read();

  // Moving to another loop; docs/decisions/listener-balance.md draws it.

  using MoveCallback = MoveOnlyFunction<void(const TcpConnectionPtr&, const Result<void>&)>;
  /// Moves the open connection to `target`, another loop of its server, with all it has: input and
  /// output that wait, limits and their times, the context. Nothing is lost or reordered, also not
  /// of what other threads send meanwhile. From this call on use only what is for any thread, until
  /// `done` is called: on the new loop, where all callbacks come from then on, before those that
  /// were held up; or with the error, on the old one. It is not called if the connection ends
  /// first.
  ///
  /// Fails, and nothing has happened, with EINVAL for a loop that is not the server's, EPIPE if the
  /// connection is closing, EALREADY if it is moving, ESHUTDOWN if the server is stopping there,
  /// and with ENOTSUP for what cannot move: connections with TLS or of HTTP, connections that
  /// coroutines use, and those that TcpClient, TcpListener or connect() made.
  Result<void> move_to(EventLoop& target, MoveCallback done = {});
  /// From move_to() until the connection has left.
  [[nodiscard]] bool is_moving() const { return move_ != nullptr; }

  // Settings of this connection; they begin with those of its server.

  void set_idle_timeout(Duration limit);
  void set_read_timeout(Duration limit);
  void set_write_timeout(Duration limit);
  Result<void> set_no_delay(bool on);
  /// Anything the user wants to keep with the connection; destroyed with it, or when the
  /// connection is closed, after on_close.
  void set_context(std::any context) { context_ = std::move(context); }
  [[nodiscard]] std::any& context() { return context_; }
  [[nodiscard]] const std::any& context() const { return context_; }
  /// The context, which must be a T.
  template <typename T>
  [[nodiscard]] T& context_as() {
    return *std::any_cast<T>(&context_);
  }
  template <typename T>
  [[nodiscard]] const T& context_as() const {
    return *std::any_cast<T>(&context_);
  }

  // Queries. Any thread for those marked so.

  [[nodiscard]] std::uint64_t id() const { return id_; }  ///< Any. Unique per owner.
  [[nodiscard]] State state() const { return state_.load(std::memory_order_relaxed); }  ///< Any.
  [[nodiscard]] bool is_open() const { return state() == State::kOpen; }                ///< Any.
  [[nodiscard]] const InetAddress& peer() const { return peer_; }                       ///< Any.
  [[nodiscard]] Result<InetAddress> local() const;
  /// Any, while the loop lives. Where the connection is, or is moving to.
  [[nodiscard]] EventLoop& loop() const { return *seat_.load()->loop; }
  [[nodiscard]] const LoopHandle& loop_handle() const { return seat_.load()->handle; }   ///< Any.
  [[nodiscard]] std::uint64_t bytes_received() const { return bytes_received_.load(); }  ///< Any.
  [[nodiscard]] std::uint64_t bytes_sent() const { return bytes_sent_.load(); }          ///< Any.
  /// Output in memory that the kernel has not taken.
  [[nodiscard]] std::size_t queued_bytes() const;
  /// By what its bytes travel, and if not by shared memory, why not; docs/shared-memory.md.
  [[nodiscard]] bool uses_shared_memory() const { return shares_; }
  [[nodiscard]] smc::FallbackReason why_not_shared() const { return fallback_; }
  [[nodiscard]] bool peer_finished() const { return peer_finished_; }
  [[nodiscard]] CloseReason close_reason() const { return close_reason_; }
  /// -1 once closed. For getsockopt() and the like; reading or writing it breaks the connection.
  [[nodiscard]] int fd() const { return transport_ ? transport_->fd() : -1; }

  // For owners.

  TcpConnection(EventLoop& loop, ConnectedSocket socket, std::uint64_t id,
                std::shared_ptr<const internal::ConnectionProfile> profile,
                internal::ConnectionOwner& owner);
  /// Starts, and calls on_connection when the transport is ready.
  void establish();
  /// Whether on_connection was called; otherwise on_close will not be, either.
  [[nodiscard]] bool is_announced() const { return announced_; }
  /// Why on_connection was never called; null if nothing has failed.
  [[nodiscard]] const Error* start_error() const { return start_error_.get(); }
  /// Ends the connection from its loop, for `reason`.
  void finish(CloseReason reason);
  /// The same when an exception has left a callback or a task, which says `what`.
  void finish_for_exception(std::string_view what);
  /// Asks as on_stopping describes.
  void stop_gracefully();
  /// From now on move_to() is refused: its user keeps something of the loop's.
  void stay_on_loop() { stays_ = true; }

  // For SharedJoin; tcp_connection_shared.cc.

  /// Goes on by `memory`, whose ends have proved to be one connection. False: not yet, ask again.
  [[nodiscard]] bool share(std::unique_ptr<internal::SharedMemory>& memory);
  void stay_on_tcp(smc::FallbackReason reason) { fallback_ = reason; }
  /// Is told of input until the connection goes on by shared memory or leaves the loop.
  void set_join(internal::SharedJoin* join) { join_ = join; }
  [[nodiscard]] const internal::SharedJoin* join() const { return join_; }

  // For chunks and waits.

  [[nodiscard]] std::size_t receive_limit() const;
  [[nodiscard]] Chunk make_chunk(std::size_t count);
  void chunk_was_freed() noexcept;
  [[nodiscard]] bool begin_read(internal::ReadWait& wait);
  void forget_read(internal::ReadWait& wait);
  [[nodiscard]] bool begin_write(internal::OutputWait& wait);
  [[nodiscard]] bool begin_drain(internal::OutputWait& wait);

 private:
  enum class Finish : std::uint8_t { kNo, kAfterOutput, kSent };
  enum PauseReason : std::uint8_t {
    kByUser = 1,
    kByOutput = 2,
    kByFullBuffer = 4,
    kByEnd = 8,
    kByStop = 16
  };

  // Functions marked override are the transport's to call.

  // Input (tcp_connection_input.cc).
  [[nodiscard]] std::size_t receive_room() const override;
  void bytes_arrived(std::string_view bytes) override;
  void input_ended() override;
  void input_cut() override;
  void deliver();
  void deliver_again();
  void drop_input();
  void pause(PauseReason reason);
  void resume(PauseReason reason);
  void watch_input();

  // Coroutines (tcp_connection_coroutines.cc).
  [[nodiscard]] internal::CoroutineSide& coroutines();
  [[nodiscard]] bool is_read_by_coroutine() const { return coroutines_ && coroutines_->reads; }
  [[nodiscard]] std::size_t held_input() const;
  [[nodiscard]] bool satisfy(internal::ReadWait& wait);
  void end_read(internal::ReadWait& wait);
  void input_for_coroutine();
  [[nodiscard]] bool has_unread_end() const;
  void end_reads();
  void output_for_coroutines();
  void tell_reader_of_end();
  void tell_coroutines_of_end();
  [[nodiscard]] Error ended(std::string_view what) const;

  // Output (tcp_connection_output.cc).
  Result<void> admit(std::size_t bytes);
  Result<void> send_in_loop(std::string_view bytes);
  [[nodiscard]] bool write_directly(std::string_view bytes);
  using PostedSend = MoveOnlyFunction<Result<void>(TcpConnection&)>;
  Result<void> post(std::size_t bytes, PostedSend send);
  void schedule_flush();
  void flush();
  void output_ready() override { write_output(); }
  void write_output();
  void bytes_sent(std::size_t count) override;
  void note_sent(std::size_t count);
  void handle_written(const internal::Transport::Written& written, bool was_blocked);
  void handle_all_written();
  void check_water_marks();
  void send_fin();

  // TLS (tcp_connection_tls.cc).
  Result<void> put_tls_below(const TlsContext& context, std::string_view server_name,
                             std::string_view early);

  // Shared memory (tcp_connection_shared.cc).
  void count_towards_sharing() {
    if (calls_to_share_ != 0 && --calls_to_share_ == 0) begin_sharing();
  }
  void begin_sharing();
  void tell_join();

  // Moving (tcp_connection_move.cc).
  friend class internal::ConnectionPassage;
  [[nodiscard]] EventLoop& home() const { return *home_.load(std::memory_order_relaxed)->loop; }
  /// Whether this thread is the one that has the connection now.
  [[nodiscard]] bool is_here() const;
  /// Runs `call(connection)` where the connection is, behind this thread's earlier ones. False if
  /// that loop has ended.
  template <typename Call>
  bool post_call(Call call);
  [[nodiscard]] bool is_leaving() const { return move_ && move_->leaving; }
  [[nodiscard]] Result<void> check_move() const;
  void let_go();
  void detached() override;
  void switch_seat();
  void leave_when_quiet();
  void leave();
  void land(internal::ConnectionMove& move, internal::Transport::Detached detached);
  void settle(internal::ConnectionMove& move, const internal::Transport::Detached& detached);
  void take_along(std::string_view input);
  void lose(internal::ConnectionMove& move, CloseReason reason);
  void end_move();
  void tell_moved(internal::ConnectionMove& move, const Result<void>& result);
  [[nodiscard]] internal::ConnectionSeat& seat_on(EventLoop& loop);

  // End and limits (tcp_connection.cc).
  void in_loop(void (TcpConnection::*action)());
  void shutdown_in_loop();
  void close_in_loop() { begin_close(CloseReason::kLocalClose); }
  void abort_in_loop() { end_soon(CloseReason::kAborted); }
  void begin_close(CloseReason reason);
  /// Ends the connection from the queue of tasks: on_close must not be called from inside a call
  /// of the user's, who may be walking over his connections.
  void end_soon(CloseReason reason);
  void transport_ready() override;
  void transport_failed(int number, std::string_view what) override;
  void arm_limits();
  void check_limits();
  [[nodiscard]] bool peer_goes_on_taking();
  struct Limit {
    MonotonicTime due;
    CloseReason reason;
  };
  [[nodiscard]] std::optional<Limit> next_limit() const;

  /// Calls a callback, and ends the connection if an exception leaves it.
  template <typename Callback, typename... Args>
  void call(const Callback& callback, Args&&... args);
  /// Logs that a callback threw `what`.
  void tell_cut(std::string_view what) noexcept;

  internal::ConnectionSeat first_seat_;
  std::vector<std::unique_ptr<internal::ConnectionSeat>> other_seats_;
  std::atomic<internal::ConnectionSeat*> seat_{&first_seat_};  // for other threads' calls
  std::atomic<internal::ConnectionSeat*> home_{&first_seat_};  // its thread has it; null: none has
  std::unique_ptr<internal::ConnectionMove> move_;
  const std::uint64_t id_;
  const std::shared_ptr<const internal::ConnectionProfile> profile_;
  internal::ConnectionOwner* owner_;  // with its counters, gone once the connection is closed
  NetCounters* counters_;
  std::unique_ptr<internal::Transport> transport_;
  internal::TlsTransport* tls_ = nullptr;  // transport_, if it is one
  std::unique_ptr<ConnectionCallbacks::Event> on_tls_ready_;
  std::unique_ptr<Error> start_error_;
  const InetAddress peer_;

  std::atomic<State> state_{State::kOpen};
  CloseReason close_reason_ = CloseReason::kNone;
  Finish finish_ = Finish::kNo;
  std::uint8_t pauses_ = 0;  // PauseReason bits
  bool started_ = false;
  bool announced_ = false;  // on_connection was called
  bool ending_soon_ = false;
  bool stays_ = false;
  bool stop_when_ready_ = false;
  bool peer_finished_ = false;
  bool in_own_callback_ = false;  // on_connection or on_message: flush() follows by itself
  bool flush_scheduled_ = false;
  bool delivery_scheduled_ = false;
  bool wrote_since_complete_ = false;
  bool above_high_water_ = false;
  bool shares_ = false;
  static constexpr std::uint8_t kCallsToShare = 16;
  std::uint8_t calls_to_share_ = kCallsToShare;  // until it has earned shared memory; 0: no more
  smc::FallbackReason fallback_ = smc::FallbackReason::kNotEarned;
  internal::SharedJoin* join_ = nullptr;

  ReceiveBuffer receive_buffer_;
  std::unique_ptr<internal::SendQueue> send_queue_;
  std::unique_ptr<internal::CoroutineSide> coroutines_;  // once one uses the connection
  std::atomic<std::size_t> posted_bytes_{0};             // sends on their way from other threads
  std::atomic<bool> posted_too_much_{false};             // so the connection is about to end

  Duration idle_timeout_;
  Duration read_timeout_;
  Duration write_timeout_;
  MonotonicTime last_received_;
  MonotonicTime last_progress_;     // of output
  std::int64_t taken_ = 0;          // bytes that the peer had acknowledged when a limit was due
  bool kernel_had_output_ = false;  // when a limit was due last
  MonotonicTime limit_due_;
  TimerId limit_timer_;

  Counter bytes_received_;
  Counter bytes_sent_;
  std::any context_;
};

}  // namespace leat
