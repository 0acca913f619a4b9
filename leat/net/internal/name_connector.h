// Internal: one attempt at a time to connect to a name, over all of its addresses.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/net/happy_eyeballs_options.h"
#include "leat/net/host_port.h"
#include "leat/net/internal/connector.h"
#include "leat/net/internal/dialler.h"
#include "leat/net/internal/happy_eyeballs.h"
#include "leat/net/resolver.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/timer_id.h"

namespace leat::internal {

/// Asks for the name with each start(), and races its addresses as HappyEyeballs says, each with a
/// Connector of its own. The error of an attempt tells what became of each address.
class NameConnector final : public Dialler {
 public:
  struct Options {
    Duration timeout{0};                 ///< Of the whole attempt, the look-up included; 0: none.
    std::optional<InetAddress> bind_to;  ///< For addresses of its family.
    ConnectionOptions connection = {};
    HappyEyeballsOptions happy_eyeballs = {};
  };

  /// Without a resolver, the one that the loop's clients share is used.
  NameConnector(EventLoop& loop, HostPort peer, Options options, std::shared_ptr<Resolver> resolver,
                DoneCallback done);
  ~NameConnector() override { cancel(); }
  NameConnector(const NameConnector&) = delete;
  NameConnector& operator=(const NameConnector&) = delete;

  void start() override;
  void cancel() override;
  [[nodiscard]] bool is_connecting() const override { return connecting_; }

 private:
  struct Attempt {
    std::shared_ptr<Connector> connector;  // shared for release_later(); null when it has ended
    std::optional<Error> error = std::nullopt;
  };

  void answered(FamilyAnswer answer);
  void run(const HappyEyeballs::Actions& actions);
  void start_attempt(std::size_t attempt, const InetAddress& address);
  void end_attempt(std::size_t attempt);
  void attempt_done(std::size_t attempt, Result<ConnectedSocket> socket);
  void set_wake_timer();
  void fail(Error error);
  void fail_soon(Error error);
  [[nodiscard]] Error error_of_all() const;
  [[nodiscard]] Error timeout_error() const;
  [[nodiscard]] std::string attempts_in_words() const;
  [[nodiscard]] Error name_error(const Error& error) const;
  [[nodiscard]] Error error(int number, std::string_view hint) const;

  EventLoop& loop_;
  const HostPort peer_;
  const Options options_;
  std::shared_ptr<Resolver> resolver_;
  const DoneCallback done_;
  bool connecting_ = false;
  ResolveId question_;
  std::vector<InetAddress> known_;
  std::optional<Error> no_addresses_;  // why a family has none
  bool one_answered_ = false;
  std::optional<HappyEyeballs> race_;
  std::vector<Attempt> attempts_;
  std::optional<ConnectedSocket> connected_;
  TimerId timeout_timer_;
  TimerId wake_timer_;
  TimerId soon_timer_;
};

}  // namespace leat::internal
