#include "leat/net/internal/cares_answer.h"

#include <cerrno>
#include <cstring>
#include <new>
#include <vector>

// c-ares 1.28 and later calls these functions old; they are all that 1.18 has.
#define CARES_NO_DEPRECATED 1
#include <ares.h>

namespace leat::internal {

namespace {

/// c-ares 1.18 appends each address by walking the list of those before it, so an answer of 64 KiB
/// would cost the loop tens of milliseconds. The first records are enough for everybody.
constexpr unsigned kMaxRecords = 256;
constexpr std::size_t kHeaderSize = 12;    // RFC 1035, 4.1.1
constexpr std::size_t kAnswersOffset = 6;  // ANCOUNT

std::vector<unsigned char> with_fewer_records(std::span<const unsigned char> reply) {
  std::vector<unsigned char> copy(reply.begin(), reply.end());
  if (copy.size() < kHeaderSize) return copy;
  const unsigned records = unsigned{copy[kAnswersOffset]} << 8 | copy[kAnswersOffset + 1];
  if (records > kMaxRecords) {
    copy[kAnswersOffset] = kMaxRecords >> 8;
    copy[kAnswersOffset + 1] = kMaxRecords & 0xff;
  }
  return copy;
}

void add(DnsAnswer& answer, const ares_addrttl& address) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr = address.ipaddr;
  answer.addresses.push_back(
      *InetAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&in), sizeof in));
}

void add(DnsAnswer& answer, const ares_addr6ttl& address) {
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  std::memcpy(&in6.sin6_addr, &address.ip6addr, sizeof in6.sin6_addr);
  answer.addresses.push_back(
      *InetAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&in6), sizeof in6));
}

template <typename Entry, typename Parse>
int read_with(DnsAnswer& answer, std::span<const unsigned char> reply, std::size_t max_addresses,
              Parse parse) {
  const std::vector<unsigned char> shortened = with_fewer_records(reply);
  std::vector<Entry> entries(max_addresses);
  int count = static_cast<int>(entries.size());
  const int status =
      parse(shortened.data(), static_cast<int>(shortened.size()), nullptr, entries.data(), &count);
  if (status != ARES_SUCCESS) return status;
  entries.resize(static_cast<std::size_t>(count));
  answer.addresses.reserve(entries.size());
  for (const Entry& entry : entries) add(answer, entry);
  return answer.addresses.empty() ? ARES_ENODATA : ARES_SUCCESS;
}

}  // namespace

void set_failure(DnsAnswer& answer, int status) {
  const auto set = [&](int number, const char* problem) {
    answer.number = number;
    answer.problem = problem;
  };
  answer.addresses.clear();
  answer.name_servers = status == ARES_ETIMEOUT || status == ARES_ECONNREFUSED;
  switch (status) {
    case ARES_ENOTFOUND:
      return set(ENXIO, "no such name");
    case ARES_ENODATA:
      return set(ENODATA, "no address of this kind");
    case ARES_ETIMEOUT:
      return set(ETIMEDOUT, "no answer");
    // Up to 1.18 c-ares says so too when all of several servers have failed or refused.
    case ARES_ECONNREFUSED:
      return set(EAGAIN, "no usable answer");
    case ARES_ESERVFAIL:
      return set(EAGAIN, "the name server failed: SERVFAIL");
    case ARES_EREFUSED:
      return set(EACCES, "the name server refused: REFUSED");
    case ARES_ENOTIMP:
      return set(EAGAIN, "the name server cannot answer: NOTIMP");
    case ARES_EFORMERR:
      return set(EBADMSG, "the name server did not understand: FORMERR");
    case ARES_EBADRESP:
      return set(EBADMSG, "what the name server sent is no answer");
    case ARES_EBADNAME:
      return set(EINVAL, "not a name that DNS can have");
    case ARES_ENOMEM:
      return set(ENOMEM, "out of memory");
    default:
      return set(EIO, ares_strerror(status));
  }
}

void read_reply(DnsAnswer& answer, std::span<const unsigned char> reply,
                std::size_t max_addresses) noexcept {
  int status = ARES_ENOMEM;
  try {
    status = answer.family == InetAddress::Family::kIpv6
                 ? read_with<ares_addr6ttl>(answer, reply, max_addresses, ares_parse_aaaa_reply)
                 : read_with<ares_addrttl>(answer, reply, max_addresses, ares_parse_a_reply);
  } catch (const std::bad_alloc&) {
    // Told as the answer: an exception must not go through c-ares.
  }
  if (status != ARES_SUCCESS) set_failure(answer, status);
}

}  // namespace leat::internal
