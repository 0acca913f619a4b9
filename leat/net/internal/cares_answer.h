// Internal: what c-ares says about a question, in Leat's words.
#pragma once

#include <cstddef>
#include <span>

#include "leat/net/internal/dns_channel.h"

namespace leat::internal {

/// Sets number and problem for an ARES_ status other than success.
void set_failure(DnsAnswer& answer, int status);

/// Fills in the addresses of a reply to answer.family, `max_addresses` at most; never throws.
void read_reply(DnsAnswer& answer, std::span<const unsigned char> reply,
                std::size_t max_addresses) noexcept;

}  // namespace leat::internal
