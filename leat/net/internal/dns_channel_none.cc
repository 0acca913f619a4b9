// Built instead of cares_channel.cc where LEAT_NAMES is off.
#include <cerrno>

#include "leat/net/internal/dns_channel.h"

namespace leat::internal {

Result<std::unique_ptr<DnsChannel>> open_dns_channel(const ResolverOptions&) {
  return Error::from_errno(ENOSYS, "this libleat was built without c-ares (LEAT_NAMES)");
}

}  // namespace leat::internal
