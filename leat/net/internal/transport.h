// Internal: what a connection stands on, the seam of completions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "leat/base/result.h"
#include "leat/base/unique_fd.h"

namespace leat {

class EventLoop;
struct NetCounters;

namespace internal {

class SendQueue;

/// What a transport tells the one that stands on it: a connection, or another transport. On the
/// loop's thread; apart from bytes_sent(), never from inside a call to the transport.
class TransportUser {
 public:
  /// Input that is welcome now, in bytes. With none, neither input nor its end is told, until
  /// Transport::continue_input() or set_reading(true).
  [[nodiscard]] virtual std::size_t receive_room() const = 0;
  /// Input, at most receive_room() bytes; the memory is the transport's and lasts for the call.
  /// Never throws: who cannot take them ends the transport, for a stream must not have a hole.
  virtual void bytes_arrived(std::string_view bytes) = 0;
  /// The peer has finished sending. Once; no input follows.
  virtual void input_ended() = 0;
  /// Instead of input_ended(): it has ended without the peer having said so, as TLS asks of it.
  virtual void input_cut() { input_ended(); }
  /// So much of what write() was given has gone, from the head of the queue: drop it there. Also
  /// from inside write().
  virtual void bytes_sent(std::size_t count) = 0;
  /// What write() left undone, for a full kernel or for later, can go on: call write() again.
  virtual void output_ready() = 0;
  /// A transport that was not ready at start() is now.
  virtual void transport_ready() = 0;
  /// It is broken, for an errno value while doing `what`; close() it.
  virtual void transport_failed(int number, std::string_view what) = 0;
  /// A detach() that was not done at once is done now. Take the socket later, from a task.
  virtual void detached() {}

 protected:
  ~TransportUser() = default;
};

/// Carries the bytes of one connection: kernel sockets by readiness or by io_uring, TLS over
/// another transport. Belongs to its loop's thread; its user outlives it or close() came first.
///
///     start()   bytes_arrived() ... input_ended()                 close()
///        |      write() -> bytes_sent() ... shutdown_write()         |
///        v                                                           v
///     +------------+  transport_ready()  +------+   failed        +--------+
///     | not ready  |-------------------->| open |---------------->| closed |
///     +------------+  (sockets: at once) +------+  or close()     +--------+
///
/// It may be destroyed once closed, even if the kernel has not let go of its operations: those keep
/// what they need by themselves.
class Transport {
 public:
  Transport() = default;
  virtual ~Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  /// Begins to work for `user`, and to read only at set_reading(true).
  virtual Result<void> start(TransportUser& user) = 0;
  /// Whether output may go and input come; transport_ready() tells when not yet.
  [[nodiscard]] virtual bool is_ready() const { return true; }
  /// Hands the transport over to another user, who stands between from now on.
  virtual void set_user(TransportUser& user) = 0;

  /// Starts or stops to tell of input. What was on its way when it stopped is kept and told when
  /// it starts again. Fails when the kernel does (see Channel::enable_reading()).
  virtual Result<void> set_reading(bool on) = 0;
  /// There is room again: what was held back for want of it is told soon.
  virtual void continue_input() {}

  struct Written {
    enum class Kind : std::uint8_t {
      kAll,        ///< The queue is empty.
      kNotReady,   ///< Nothing may go before transport_ready().
      kBlocked,    ///< The kernel takes no more now; output_ready() follows.
      kFailed,     ///< For `error`, an errno value.
      kTruncated,  ///< A file was shorter than what was to be sent of it.
    };
    Kind kind;
    int error = 0;
    const char* what = "sending";
  };
  /// Sends from the head of `queue`, up to a budget; bytes_sent() tells what has gone.
  virtual Written write(SendQueue& queue) = 0;
  /// Sends all of `queue` and then `bytes`, which are not in it, if that is possible at once.
  /// Returns how much of the two went; bytes_sent() is not called.
  [[nodiscard]] virtual std::size_t write_now(const SendQueue& queue, std::string_view bytes) = 0;
  /// Whether write() was stopped by a full kernel, and output_ready() will follow.
  [[nodiscard]] virtual bool is_blocked() const = 0;

  /// Tells the peer that no more output follows (FIN). Only when everything was written.
  virtual void shutdown_write() = 0;
  /// Ends everything, and calls back no more. With `reset` the peer gets a reset, and what the
  /// kernel holds of the output is lost.
  virtual void close(bool reset) = 0;

  // For another loop. TLS and others that keep more than a socket cannot.

  struct Detached {
    UniqueFd socket;
    std::string input = {};  ///< Arrived, and not told yet.
    int error = 0;           ///< An errno value that follows the input; 0 for none.
  };
  [[nodiscard]] virtual bool can_detach() const { return false; }
  /// Lets go of the socket, without a change to it: no call to the user any more, but for
  /// detached() if this returns false, because the kernel has operations to give back first. Call
  /// nothing afterwards but write_now(), take_detached() and close().
  virtual bool detach() { return true; }
  /// Leaves a transport that is closed.
  [[nodiscard]] virtual Detached take_detached() { return {}; }

  /// -1 once closed.
  [[nodiscard]] virtual int fd() const = 0;
  /// Bytes in memory that write() took and the kernel has not.
  [[nodiscard]] virtual std::size_t held_output() const { return 0; }
  /// Bytes that the kernel was given, of the `told` ones that bytes_sent() and write_now() told.
  [[nodiscard]] virtual std::uint64_t carried(std::uint64_t told) const { return told; }
};

/// The transport over a connected, non-blocking kernel socket that suits the loop's poller. Counts
/// its system calls in `counters`, which must outlive it until close().
[[nodiscard]] std::unique_ptr<Transport> make_socket_transport(EventLoop& loop, UniqueFd socket,
                                                               NetCounters& counters);

}  // namespace internal
}  // namespace leat
