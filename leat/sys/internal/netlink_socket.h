// Internal: one netlink socket: sends a request and gathers its answer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "leat/base/result.h"
#include "leat/sys/netlink_message.h"

struct mnl_socket;

namespace leat::sys::internal {

/// What stands between the message's length and its body.
struct NetlinkEnvelope {
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  bool generic = false;  ///< The message has a generic header before its body.
  std::uint8_t command = 0;
};

/// How one datagram continues an answer. Interrupted: what is dumped changed meanwhile.
enum class NetlinkProgress { kMore, kInterrupted, kDone, kDoneInterrupted };

/// Reads one datagram: messages go into `answer`. An error message becomes an Error with the
/// kernel's errno and words. Whatever the bytes are, nothing is read past them.
[[nodiscard]] Result<NetlinkProgress> read_datagram(std::span<const std::byte> datagram,
                                                    std::uint32_t sequence, bool generic,
                                                    const std::string& what, NetlinkAnswer& answer);

/// In the network namespace that the calling thread was in when it was opened.
class NetlinkSocket {
 public:
  [[nodiscard]] static Result<NetlinkSocket> open(int bus, const std::string& name);
  NetlinkSocket(NetlinkSocket&&) noexcept;
  NetlinkSocket& operator=(NetlinkSocket&&) noexcept;
  ~NetlinkSocket();

  /// `what` names the request in errors. A dump that changed while it was read is asked again.
  [[nodiscard]] Result<NetlinkAnswer> ask(const NetlinkEnvelope& envelope,
                                          std::span<const std::byte> body, const std::string& what);

 private:
  struct Closer {
    void operator()(mnl_socket* socket) const;
  };
  explicit NetlinkSocket(mnl_socket* socket);
  Result<void> send(const NetlinkEnvelope& envelope, std::span<const std::byte> body,
                    const std::string& what);
  Result<NetlinkProgress> gather(const NetlinkEnvelope& envelope, const std::string& what,
                                 NetlinkAnswer& answer);

  std::unique_ptr<mnl_socket, Closer> socket_;
  std::vector<std::byte> buffer_;
  std::uint32_t sequence_ = 0;
};

}  // namespace leat::sys::internal
