// Internal: a socket and its operations in an io_uring.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "leat/base/unique_fd.h"
#include "leat/net/internal/transport.h"
#include "leat/reactor/internal/uring_operation.h"

namespace leat::internal {

class Uring;

/// Lives until the kernel has let go of its operations, which may be longer than its transport. The
/// descriptor is closed by the submission that cancels them: the peer learns of it then.
///
///     receive_   one multishot receive while input is wanted; ended by the peer's end, an error,
///                an empty ring of buffers (submitted again), or cancelled after a pause
///     deliver_   a request that does nothing: its answer tells of what was held back
///     writable_  a poll for writability, after a send that the kernel did not take whole
class UringSocket {
 public:
  UringSocket(Uring& ring, UniqueFd socket, NetCounters& counters);
  UringSocket(const UringSocket&) = delete;
  UringSocket& operator=(const UringSocket&) = delete;

  void set_user(TransportUser& user) { user_ = &user; }
  void set_reading(bool on);
  void continue_input();
  [[nodiscard]] Transport::Written write(SendQueue& queue);
  [[nodiscard]] std::size_t write_now(const SendQueue& queue, std::string_view bytes);
  [[nodiscard]] bool is_blocked() const { return writable_.in_flight(); }
  /// As Transport's. Cancels, and awaits the last answers: what they bring is held back.
  bool detach();
  [[nodiscard]] Transport::Detached take_detached();
  /// No callback from here on; cancels, and deletes `socket` when nothing is in flight.
  static void close(std::unique_ptr<UringSocket> socket, bool reset);
  [[nodiscard]] int fd() const { return closed_ ? -1 : socket_.get(); }

 private:
  /// An operation of this socket that calls one of its methods.
  template <void (UringSocket::*kMethod)(int, std::uint32_t)>
  class Operation final : public UringOperation {
   public:
    explicit Operation(UringSocket& socket) : socket_(socket) {}
    void complete(int result, std::uint32_t flags) override { (socket_.*kMethod)(result, flags); }

   private:
    UringSocket& socket_;
  };

  /// While a method that calls the user is on the stack, this is not deleted.
  class Busy;
  class GiveBack;

  void submit_receive();
  void received(int result, std::uint32_t flags);
  [[nodiscard]] std::size_t next_piece(std::string_view bytes) const;
  void take(std::string_view bytes);
  void hold(std::string_view bytes);
  void deliver_later();
  void deliver_held(int result, std::uint32_t flags);
  void tell_end();
  void wait_until_writable();
  void writable(int result, std::uint32_t flags);
  void note_answer();
  [[nodiscard]] bool is_in_flight() const;
  void delete_if_done();

  Uring& ring_;
  NetCounters& counters_;  // not used once closed
  UniqueFd socket_;
  TransportUser* user_ = nullptr;
  int busy_ = 0;
  bool closed_ = false;
  bool detaching_ = false;

  bool reading_ = false;
  bool cancelling_ = false;
  bool input_over_ = false;  // by the peer's end or an error
  bool end_told_ = false;
  int input_error_ = 0;        // an errno value, told behind what came before it
  std::string held_;           // arrived while nobody wanted it
  std::size_t held_told_ = 0;  // of it, by now

  Operation<&UringSocket::received> receive_{*this};
  Operation<&UringSocket::deliver_held> deliver_{*this};
  Operation<&UringSocket::writable> writable_{*this};
};

}  // namespace leat::internal
