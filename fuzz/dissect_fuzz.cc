// The dissector reads nothing outside of a frame, whatever link it came from, and what it finds
// does not hang on what lies behind the headers. The first byte of the input chooses the link, the
// second how much longer the frame was on the wire.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "leat/wire/dissect.h"

namespace {

using leat::wire::DissectFault;
using leat::wire::Dissection;
using leat::wire::LinkType;

constexpr LinkType kLinks[] = {LinkType::kEthernet,  LinkType::kRaw,  LinkType::kLinuxSll,
                               LinkType::kLinuxSll2, LinkType::kIpv4, LinkType::kIpv6,
                               LinkType::kRawBsd};

void require(bool condition) {
  if (!condition) std::abort();
}

void require_sound(const Dissection& found, std::size_t size) {
  require(found.network_offset <= found.transport_offset && found.transport_offset <= size);
  const leat::wire::FlowKey& key = found.key;
  require(!key.has_ports || (!found.fragment && (key.protocol == 6 || key.protocol == 17)));
  require(!key.has_ports || found.transport_offset + 4 <= size);
  require(key.has_ports || (key.source_port == 0 && key.destination_port == 0));
  for (std::size_t i = 4; key.version == leat::wire::IpVersion::kV4 && i < 16; ++i) {
    require(key.source[i] == 0 && key.destination[i] == 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const LinkType link = kLinks[data[0] % std::size(kLinks)];
  // In memory of its own, so that a sanitizer sees a read behind it.
  std::vector<std::byte> frame(size - 2);
  if (!frame.empty()) std::memcpy(frame.data(), data + 2, frame.size());
  const std::size_t wire_length = frame.size() + data[1];
  Dissection found;
  const DissectFault fault = leat::wire::dissect(frame, wire_length, link, found);
  require(leat::wire::to_string(fault) != "an unknown fault");
  if (fault != DissectFault::kNone) return 0;
  require_sound(found, frame.size());
  // Snapped right behind what was needed, it is the same flow.
  frame.resize(found.transport_offset + (found.key.has_ports ? 4u : 0u));
  frame.shrink_to_fit();
  Dissection again;
  require(leat::wire::dissect(frame, wire_length, link, again) == DissectFault::kNone);
  require(again.key == found.key && again.transport_offset == found.transport_offset);
  return 0;
}
