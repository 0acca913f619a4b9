// Public: takes connections from a listening socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/base/move_only_function.h"
#include "leat/base/result.h"
#include "leat/base/unique_fd.h"
#include "leat/net/inet_address.h"
#include "leat/net/net_counters.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/channel.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/timer_id.h"

namespace leat {

struct AcceptorOptions {
  /// Most connections taken in one go (>= 1), before others on the loop have their turn.
  std::size_t batch = 64;
  /// For a listener that several loops watch: wake one of them, not all (EPOLLEXCLUSIVE).
  bool exclusive = false;
  /// Counts here (accept_wake_ups, accept_empty, accept_paused, accept_failed) if not null. Must
  /// outlive the acceptor; this loop is its writer.
  NetCounters* counters = nullptr;
};

/// Watches a listening socket on one loop and hands over what it accepts. For those who need more
/// than TcpServer gives; all methods belong to the loop's thread. Must not be destroyed by its
/// own callback.
///
///                       start()            EMFILE, ENFILE, ENOBUFS, ENOMEM,
///      +---------+    or resume()  +----------+   or an unknown error   +-------------+
///      | stopped |---------------->| watching |------------------------>| backing off |
///      +---------+                 +----------+                         +-------------+
///           ^         pause()        |      ^    10 ms, doubled up to      |       |
///           +------------------------+      |    1 s while nothing comes   |       |
///           |                               +------------------------------+       |
///           +------------------- pause() (the delay runs on) ----------------------+
///
/// Without descriptors or memory the connections stay in the kernel's queue, so nobody is lost
/// that the backlog can hold; a message says once what is missing and what to raise.
/// An error that concerns only the connection being accepted (man 2 accept) is counted.
class Acceptor {
 public:
  /// Move out what is wanted: what stays behind is closed when the callback returns. The vector
  /// is used again for the next batch, unless it was moved as a whole.
  using AcceptCallback = MoveOnlyFunction<void(std::vector<ConnectedSocket>&&)>;

  static constexpr Duration kFirstBackoff = std::chrono::milliseconds(10);
  static constexpr Duration kLongestBackoff = std::chrono::seconds(1);

  /// `listener`: a listening, non-blocking stream socket.
  Acceptor(EventLoop& loop, UniqueFd listener, AcceptorOptions options = {});
  /// Closes the listener. What waits in its queue is reset by the kernel, unless somebody else
  /// has a duplicate of it; see drain().
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  /// Binds and listens on `address` with SO_REUSEADDR. Fails with what bind() and listen() fail
  /// with; the message says who or what is in the way.
  [[nodiscard]] static Result<std::unique_ptr<Acceptor>> listen(EventLoop& loop,
                                                                const InetAddress& address,
                                                                AcceptorOptions options = {});

  /// Before start().
  void on_accept(AcceptCallback callback) { callback_ = std::move(callback); }

  /// Begins to accept. Fails if the listener cannot be watched (see Channel).
  Result<void> start();
  /// Stops accepting; connections wait in the kernel's queue. Also from the callback.
  void pause();
  void resume();
  /// Accepts now what waits in the queue, paused or not, and calls back for it in batches; for a
  /// last time before the listener is closed. Returns how many that were. What arrives later is
  /// not seen, and after kDrainLimit connections it stops: peers could go on for ever.
  std::size_t drain();
  static constexpr std::size_t kDrainLimit = 65536;

  [[nodiscard]] EventLoop& loop() const { return channel_.loop(); }
  [[nodiscard]] int fd() const { return listener_.get(); }
  /// What was bound, with the port as the kernel gave it.
  [[nodiscard]] Result<InetAddress> address() const { return InetAddress::local_of(fd()); }

 private:
  /// Why take() stopped: nothing is left, it took enough, or an errno value.
  struct Outcome {
    enum class Kind : std::uint8_t { kEmpty, kEnough, kShortage };
    Kind kind;
    int error = 0;
  };

  void handle_read();
  void adapt_budget();
  Outcome take(std::size_t most);
  std::size_t deliver();
  void watch();
  void back_off(int error, bool progress);
  void note_calm();

  UniqueFd listener_;
  Channel channel_;
  const AcceptorOptions options_;
  NetCounters own_counters_;
  NetCounters& counters_;
  AcceptCallback callback_;
  std::vector<ConnectedSocket> batch_;
  bool wanted_ = false;

  std::size_t budget_ = 1;
  bool budget_used_up_ = false;
  std::uint64_t last_iteration_ = 0;

  TimerId retry_timer_;
  Duration backoff_{0};
  bool in_shortage_ = false;
  MonotonicTime last_shortage_;
};

}  // namespace leat
