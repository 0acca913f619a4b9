// Internal: questions to name servers; where a resolving library is plugged in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "leat/base/move_only_function.h"
#include "leat/base/result.h"
#include "leat/net/inet_address.h"
#include "leat/net/resolver_options.h"

namespace leat {
class EventLoop;
}

namespace leat::internal {

/// What became of a question for one family.
struct DnsAnswer {
  std::string name;
  InetAddress::Family family = InetAddress::Family::kIpv6;
  std::vector<InetAddress> addresses;  ///< Port 0, as the answer has them; none if it failed.
  int number = 0;                      ///< errno; 0 for success.
  const char* problem = "";            ///< In words, without the name; static.
  bool name_servers = false;           ///< `problem` wants " from " and the servers behind it.
};

/// Made on any thread, because its configuration is read from files, and then used on one loop's.
class DnsChannel {
 public:
  using Answered = MoveOnlyFunction<void(std::unique_ptr<DnsAnswer>)>;

  virtual ~DnsChannel() = default;

  /// Once, before ask(). `answered` gets each answer, from the loop or from within ask(), and may
  /// do anything but destroy the channel.
  virtual void attach(EventLoop& loop, Answered answered) = 0;
  /// Search domains apply. Exactly one answer follows, unless cancel_all() or the destructor
  /// comes first.
  virtual void ask(const std::string& name, InetAddress::Family family) = 0;
  /// Forgets all questions and leaves nothing on the loop.
  virtual void cancel_all() = 0;
  /// "10.0.0.1:53, 10.0.0.2:53".
  [[nodiscard]] virtual const std::string& servers() const = 0;
};

/// Reads `resolv_conf`. Fails with ENOSYS if the library was built without c-ares.
[[nodiscard]] Result<std::unique_ptr<DnsChannel>> open_dns_channel(const ResolverOptions& options);

}  // namespace leat::internal
