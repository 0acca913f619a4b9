// Public: addresses for names, without blocking the loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "leat/base/move_only_function.h"
#include "leat/base/result.h"
#include "leat/net/inet_address.h"
#include "leat/net/resolver_options.h"

namespace leat {

class EventLoop;
namespace internal {
class ResolverCore;
}

/// Names one question of one Resolver. Stays harmless after the question was answered or
/// cancelled: ids are not used again (within 2^32 uses of a slot).
struct ResolveId {
  std::uint64_t value = 0;

  [[nodiscard]] bool is_valid() const { return value != 0; }
  friend bool operator==(ResolveId, ResolveId) = default;
};

/// The answer for one family.
struct FamilyAnswer {
  InetAddress::Family family = InetAddress::Family::kIpv6;  ///< kIpv6 or kIpv4.
  Result<std::vector<InetAddress>> addresses;               ///< At least one, or an error.
  bool last = false;                                        ///< No other answer follows.
};

/// Asks the hosts file, then the name servers (docs/names.md has what that means in full).
///
///     resolve() --> in digits, "localhost" ------------------------------> later, in this loop
///               --> in the hosts file --------------------------------------> addresses
///               --> AAAA and A to the servers, joined with equal questions --> addresses
///
/// Belongs to its loop: all methods, and the destructor, are for the loop's thread. Files are read
/// on a thread of its own, which lives only while it reads. When the loop ends, open questions are
/// dropped, their callbacks destroyed uncalled, and the resolver answers nothing any more.
///
/// Errors, of resolve() or told to its callback; all name the host:
///     EINVAL        neither an address nor a name (HostPort::parse() has the rules)
///     ENOBUFS       max_questions wait already
///     ESHUTDOWN     the loop has ended
///     ENXIO         no such name
///     ENODATA       the name exists, but has no address of the families that were asked for
///     ETIMEDOUT     no answer, from which servers and within what time
///     EAGAIN        the servers failed (SERVFAIL), or are not there
///     EACCES        the server refused (REFUSED)
///     EBADMSG       what the server sent is no answer
///     ENOSYS        the library was built without c-ares (LEAT_NAMES), and the hosts file does
///                   not know the name
///     ENOMEM        what it says
class Resolver {
 public:
  /// Best first (RFC 6724), each with the port that was given; or why there is none.
  using Callback = MoveOnlyFunction<void(Result<std::vector<InetAddress>>)>;
  using FamilyCallback = MoveOnlyFunction<void(FamilyAnswer)>;

  explicit Resolver(EventLoop& loop, ResolverOptions options = {});
  /// Drops the open questions without calling back. Allowed at any moment, also from a callback of
  /// this resolver. Waits for the thread if that is reading a file just then.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// The resolver that clients of `loop` share, with default options: the same one for as long as
  /// somebody keeps it. On the loop's thread.
  [[nodiscard]] static std::shared_ptr<Resolver> shared(EventLoop& loop);

  /// `host` is a name or an address in digits; `port` (0 to 65535) is only passed on. `done` is
  /// called once, never before this returns, and with an error only if both families have none. An
  /// error that one of them might have been spared by asking again (ETIMEDOUT, EAGAIN) is told
  /// rather than ENODATA or ENXIO.
  Result<ResolveId> resolve(std::string_view host, std::uint16_t port, Callback done);
  /// The same, telling AAAA and A as each comes, for those who begin with what is there; `each` is
  /// called once for each family that is asked for. Their order is that of the answers; when both
  /// are there at once, IPv6 is first. Each list is in order for itself.
  Result<ResolveId> resolve_each(std::string_view host, std::uint16_t port, FamilyCallback each);

  /// The callback is destroyed and not called any more; false if there was nothing left to cancel.
  bool cancel(ResolveId question);

  /// Questions without their last answer.
  [[nodiscard]] std::size_t open_questions() const;

 private:
  const std::shared_ptr<internal::ResolverCore> core_;
};

}  // namespace leat
