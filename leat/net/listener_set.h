// Public: bound sockets that came from another process, or go to one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "leat/base/result.h"
#include "leat/base/unique_fd.h"
#include "leat/net/inet_address.h"

namespace leat {

/// One bound socket: a stream socket that listens (TCP or Unix), or a UDP socket.
struct ListenerSocket {
  enum class Kind : std::uint8_t { kStream, kUdp };

  UniqueFd fd;
  Kind kind = Kind::kStream;
  InetAddress address;
  std::string name = {};  ///< As systemd calls it (FileDescriptorName=); else empty.
  /// Of a Unix listener: whoever serves it removes its path at the end. Not so for sockets of
  /// systemd, which keeps them.
  bool removes_path = true;

  /// Finds out what `fd` is, and makes it non-blocking and close-on-exec. Fails with EINVAL for
  /// what is neither kind, ENOTSOCK for what is no socket.
  [[nodiscard]] static Result<ListenerSocket> inspect(UniqueFd fd);
};

/// Listeners that outlive a process: taken over from the one before (Takeover), or from systemd.
///
///     leat::ListenerSet inherited = leat::ListenerSet::from_systemd().value();
///     server.listen(address, inherited).value();  // takes what it has for the address
///
/// A value: any thread, one at a time. What nobody took is closed with it.
class ListenerSet {
 public:
  using Kind = ListenerSocket::Kind;
  /// Most sockets of a hand-over.
  static constexpr std::size_t kMostSockets = 4096;

  /// What systemd passed to this process by socket activation (man 3 sd_listen_fds): LISTEN_FDS
  /// descriptors from 3 on, if LISTEN_PID is this process, with their LISTEN_FDNAMES. The
  /// variables are removed from the environment, so call it once, and before other threads
  /// use that. Empty if there is nothing; EINVAL for variables or descriptors that make no sense.
  [[nodiscard]] static Result<ListenerSet> from_systemd();

  void add(ListenerSocket socket) { sockets_.push_back(std::move(socket)); }
  /// Takes out all sockets of this kind with this address, in the order in which they were added.
  /// Port 0 means the first port that there is for the same IP address.
  [[nodiscard]] std::vector<ListenerSocket> take(Kind kind, const InetAddress& address);
  [[nodiscard]] std::vector<ListenerSocket> take_all() { return std::exchange(sockets_, {}); }
  /// Each address once.
  [[nodiscard]] std::vector<InetAddress> addresses(Kind kind) const;

  [[nodiscard]] const std::vector<ListenerSocket>& sockets() const { return sockets_; }
  [[nodiscard]] std::size_t size() const { return sockets_.size(); }
  [[nodiscard]] bool is_empty() const { return sockets_.empty(); }

 private:
  std::vector<ListenerSocket> sockets_;
};

}  // namespace leat
