// Internal: requests and answers of one connection of `leat load`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "leat/net/tcp_connection.h"

#include "apps/leat/load_options.h"

namespace leat::app {

/// Makes requests and reads the answers, for one connection at a time.
class LoadProtocol {
 public:
  enum class Event : std::uint8_t {
    kNeedMore,   ///< All input was consumed, and no answer is complete.
    kAnswer,     ///< One answer is complete and right.
    kBadStatus,  ///< One answer is complete; its status says it failed.
    kBadBody,    ///< One answer is complete, but not what it should be.
    kLost,       ///< The input makes no sense from here on.
  };
  struct Step {
    Event event = Event::kNeedMore;
    std::size_t consumed = 0;
    bool last = false;  ///< The peer will answer nothing more on this connection.
  };

  LoadProtocol() = default;
  virtual ~LoadProtocol() = default;
  LoadProtocol(const LoadProtocol&) = delete;
  LoadProtocol& operator=(const LoadProtocol&) = delete;

  /// A new connection begins.
  virtual void restart() = 0;
  /// Returns the request's bytes.
  virtual std::size_t send_request(TcpConnection& connection) = 0;
  /// Looks at `input` up to the end of one answer.
  virtual Step receive(std::string_view input) = 0;
  /// The peer has finished sending: kAnswer and the like if that completes an answer.
  virtual Event receive_end() = 0;
  /// After kBadStatus, kBadBody and kLost: what was wrong.
  [[nodiscard]] virtual std::string_view complaint() const = 0;
  /// Status of the last answer; 0 where there is no such thing.
  [[nodiscard]] virtual int status() const { return 0; }
};

/// Makes protocols for the connections of a run. Shared by all threads, and holds what their
/// connections have in common.
class LoadProtocolFactory {
 public:
  LoadProtocolFactory() = default;
  virtual ~LoadProtocolFactory() = default;
  LoadProtocolFactory(const LoadProtocolFactory&) = delete;
  LoadProtocolFactory& operator=(const LoadProtocolFactory&) = delete;

  /// For the connection with this number, of all in the run. Any thread.
  [[nodiscard]] virtual std::unique_ptr<LoadProtocol> make(std::size_t index) = 0;
};

[[nodiscard]] std::unique_ptr<LoadProtocolFactory> make_echo_factory(const LoadOptions& options);
[[nodiscard]] std::unique_ptr<LoadProtocolFactory> make_http_factory(const LoadOptions& options);

}  // namespace leat::app
