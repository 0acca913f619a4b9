// Internal: the messages between a server and its successor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "leat/base/result.h"
#include "leat/base/unique_fd.h"

namespace leat::internal {

/// One packet of a SOCK_SEQPACKET socket. Numbers are in the machine's byte order, for it never
/// leaves the machine.
///
///      0        4         6      8          12         16
///     +--------+---------+------+----------+----------+----------------------+
///     | "LEAT" | version | kind | sockets  |   left   | text                 |
///     +--------+---------+------+----------+----------+----------------------+
///       and, as SCM_RIGHTS, as many descriptors as `sockets` says
///
/// The text of kListeners has a letter for each descriptor, see TakeoverSocketKind; that of
/// kRefused is the reason, for people.
struct TakeoverMessage {
  enum class Kind : std::uint16_t {
    kRequest = 1,    ///< new to old
    kListeners = 2,  ///< old to new, several if there are many
    kReady = 3,      ///< new to old
    kDone = 4,       ///< old to new
    kRefused = 5,    ///< old to new, instead of kListeners or kDone
  };
  static constexpr std::uint16_t kVersion = 1;
  static constexpr std::size_t kMostSockets = 64;  ///< Of a packet; the kernel allows 253.
  static constexpr std::size_t kMostText = 512;    ///< Bytes.

  Kind kind = Kind::kRequest;
  /// Of kListeners: descriptors that follow in later packets. Of kRefused: an errno value.
  std::uint32_t left = 0;
  std::string text = {};
  std::vector<UniqueFd> sockets = {};
};

/// What a descriptor of kListeners is.
enum class TakeoverSocketKind : char {
  kTakeover = 't',      ///< The listener of the takeover socket itself: the first of all.
  kListener = 'l',      ///< What ListenerSocket::inspect() finds out.
  kKeepsItsPath = 'k',  ///< As kListener, with removes_path false.
};

/// Never waits: EAGAIN if the socket does not take it at once. A longer text is cut.
[[nodiscard]] Result<void> send_message(int socket, const TakeoverMessage& message);

/// The next packet; nothing if none has come yet. ECONNRESET when the other end has gone, EPROTO
/// for what is no such message or has another version, EMFILE if descriptors were lost on the
/// way. Descriptors are taken only if `sockets_wanted`; else the kernel drops them.
[[nodiscard]] Result<std::optional<TakeoverMessage>> receive_message(int socket,
                                                                     bool sockets_wanted);

/// EPERM unless the process at the other end belongs to the user of this one (SO_PEERCRED).
[[nodiscard]] Result<void> check_same_user(int socket);

}  // namespace leat::internal
