#include "leat/steering/software_flow_hash.h"

#include <algorithm>
#include <utility>

#include "leat/steering/internal/flow_words.h"
#include "leat/steering/internal/siphash.h"

namespace leat::steering {
namespace {

using Words = std::pair<std::uint64_t, std::uint64_t>;

Words words_of(const std::array<std::uint8_t, 16>& address) {
  return {internal::big_endian_word(address.data()), internal::big_endian_word(&address[8])};
}

}  // namespace

std::uint32_t SoftwareFlowHash::operator()(const wire::FlowKey& key) const {
  const Words source = words_of(key.source);
  const Words destination = words_of(key.destination);
  const bool ordered = source < destination;
  const Words& low = ordered ? source : destination;
  const Words& high = ordered ? destination : source;
  std::uint64_t ports = 0;
  if (key.has_ports) {
    const auto [low_port, high_port] = std::minmax({key.source_port, key.destination_port});
    ports = std::uint64_t{low_port} << 16U | high_port;
  }
  internal::SipHash<1, 3> hash(secret_);
  std::uint64_t length = 8;
  if (key.version == wire::IpVersion::kV4) {  // Addresses are in the upper halves.
    hash.add(low.first | high.first >> 32U);
  } else {
    for (const std::uint64_t word : {low.first, low.second, high.first, high.second}) {
      hash.add(word);
    }
    length = 32;
  }
  const std::uint64_t rest =
      ports | std::uint64_t{key.protocol} << 32U | static_cast<std::uint64_t>(key.version) << 40U;
  const auto result = static_cast<std::uint32_t>(hash.finish(rest, length + 6));
  return result != 0 ? result : 1;
}

}  // namespace leat::steering
