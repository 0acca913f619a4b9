// Internal: a kernel socket by io_uring.
#pragma once

#include <memory>

#include "leat/base/unique_fd.h"
#include "leat/net/internal/transport.h"

namespace leat::internal {

class Uring;
class UringSocket;

/// Input by one multishot receive for the connection's life, into buffers that the kernel takes
/// from the loop's when bytes have come. Output by sends that the loop hands in together with its
/// next wait; what is not small, or a file, by system calls as everywhere.
/// docs/decisions/io-uring.md.
class UringTransport final : public Transport {
 public:
  UringTransport(Uring& ring, UniqueFd socket, NetCounters& counters);
  ~UringTransport() override;

  Result<void> start(TransportUser& user) override;
  void set_user(TransportUser& user) override;
  Result<void> set_reading(bool on) override;
  void continue_input() override;
  Written write(SendQueue& queue) override;
  std::size_t write_now(const SendQueue& queue, std::string_view bytes) override;
  [[nodiscard]] bool is_blocked() const override;
  void shutdown_write() override;
  void close(bool reset) override;
  [[nodiscard]] bool can_detach() const override { return true; }
  bool detach() override;
  [[nodiscard]] Detached take_detached() override;
  [[nodiscard]] int fd() const override;

 private:
  std::unique_ptr<UringSocket> socket_;  // null once closed
};

}  // namespace leat::internal
