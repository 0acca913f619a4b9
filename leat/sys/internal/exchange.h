// Internal: where a netlink request's answer stands in a recording, and how.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "leat/sys/internal/attribute_json.h"

namespace leat::sys::internal {

/// The plain structure before the attributes of a message.
enum class BodyHeader { kNone, kLink, kAddress, kSocket };

struct Exchange {
  std::vector<std::string> path;  ///< Below "netlink": {"ethtool", "eth0", "rings"}.
  bool is_list = false;
  Schema schema = {};
  BodyHeader header = BodyHeader::kNone;
  std::uint16_t reply = 0;  ///< The command of an answer's messages.
  std::string device = {};  ///< Of the ethtool family.
};

/// Nothing for a request that no reader of leat/sys makes.
[[nodiscard]] std::optional<Exchange> exchange_of(const NetlinkRequest& request);

/// One message of an answer, as JSON and back. A body too short for its header gives null.
[[nodiscard]] Json message_to_json(const Exchange& exchange, std::span<const std::byte> body);
[[nodiscard]] std::vector<std::byte> json_to_message(const Exchange& exchange, const Json& object);

}  // namespace leat::sys::internal
