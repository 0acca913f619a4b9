// Public: one descriptor's events on one loop.
#pragma once

#include <cstdint>
#include <utility>

#include "leat/base/move_only_function.h"
#include "leat/base/result.h"
#include "leat/base/timestamp.h"

namespace leat {

class EventLoop;

/// Watches one descriptor on one loop, level-triggered: a callback is called again in every
/// iteration until what it was told of has been dealt with.
///
/// The channel does not own the descriptor. Remove the channel (or destroy it, which removes it)
/// before the descriptor is closed: the kernel would otherwise keep reporting a duplicate of it
/// (man 7 epoll, questions and answers). All methods belong to the loop's thread.
///
/// A channel must not be destroyed by one of its own callbacks; hand its owner to
/// `EventLoop::release_later()` there. `remove()` is fine at any time, also from the callback of
/// another channel in the same iteration: events not yet delivered are forgotten.
///
/// An event that no callback takes would be reported for ever: it ends the watching, with a line
/// in the log.
class Channel {
 public:
  using EventCallback = MoveOnlyFunction<void()>;
  /// Gets the time at which the poll returned.
  using ReadCallback = MoveOnlyFunction<void(Timestamp)>;

  Channel(EventLoop& loop, int fd);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Something can be read, the peer has shut down its writing side, or urgent data came. Also
  /// told of hang-up and errors when there is no callback for those, so none goes unnoticed.
  void on_read(ReadCallback callback) { read_callback_ = std::move(callback); }
  /// Something can be written.
  void on_write(EventCallback callback) { write_callback_ = std::move(callback); }
  /// Hang-up with nothing left to read (EPOLLHUP without EPOLLIN).
  void on_close(EventCallback callback) { close_callback_ = std::move(callback); }
  /// An error is pending on the descriptor (EPOLLERR); for a socket, SO_ERROR tells which.
  void on_error(EventCallback callback) { error_callback_ = std::move(callback); }

  /// Starts or stops asking for events. They fail only when the descriptor cannot be watched:
  /// EPERM (a regular file or directory), ENOSPC (fs.epoll.max_user_watches), ENOMEM, EBADF.
  /// With neither reading nor writing asked for, the descriptor is not watched at all, and
  /// hang-up is not reported either.
  Result<void> enable_reading() { return change(interest_ | kRead); }
  Result<void> disable_reading() { return change(interest_ & ~kRead); }
  Result<void> enable_writing() { return change(interest_ | kWrite); }
  Result<void> disable_writing() { return change(interest_ & ~kWrite); }
  /// Stops watching; enable_reading() or enable_writing() starts again. Cannot fail.
  void remove();

  /// Of several loops that watch the same open file, wake one rather than all (EPOLLEXCLUSIVE,
  /// Linux 4.5). Set before the first enable_*; for listening sockets shared by loops.
  void set_exclusive(bool exclusive) { exclusive_ = exclusive; }

  [[nodiscard]] EventLoop& loop() const { return loop_; }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool is_reading() const { return (interest_ & kRead) != 0; }
  [[nodiscard]] bool is_writing() const { return (interest_ & kWrite) != 0; }
  [[nodiscard]] bool is_watched() const { return interest_ != 0; }

  // For pollers and the loop.

  /// The events asked for, as EPOLL* bits.
  [[nodiscard]] std::uint32_t events() const;
  [[nodiscard]] bool exclusive() const { return exclusive_; }
  /// What the poller keeps of the channel; null when it does not watch it. The poller alone reads
  /// and writes it.
  [[nodiscard]] void* registration() const { return registration_; }
  void set_registration(void* registration) { registration_ = registration; }
  [[nodiscard]] bool added() const { return registration_ != nullptr; }
  /// The events that a poll returned, and the channel's place in the poller's list.
  void set_ready(std::uint32_t events, int index) {
    ready_events_ = events;
    ready_index_ = index;
  }
  [[nodiscard]] int ready_index() const { return ready_index_; }
  /// Calls back for the events of the last poll: error, close, read, write, in this order, and
  /// stops after the first callback that removed the channel, even if it is watched again.
  void handle_events(Timestamp poll_return_time);

 private:
  static constexpr std::uint8_t kRead = 1;
  static constexpr std::uint8_t kWrite = 2;

  Result<void> change(int interest);
  void undo_change(std::uint8_t before);
  void stop_for_nobody(std::uint32_t events);

  EventLoop& loop_;
  const int fd_;
  std::uint8_t interest_ = 0;
  bool exclusive_ = false;
  bool handling_ = false;
  std::uint32_t ready_events_ = 0;
  int ready_index_ = -1;
  void* registration_ = nullptr;
  ReadCallback read_callback_;
  EventCallback write_callback_;
  EventCallback close_callback_;
  EventCallback error_callback_;
};

}  // namespace leat
