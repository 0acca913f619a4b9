#include "leat/steering/session_choice.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "leat/base/assert.h"

namespace leat::steering {

std::optional<std::uint64_t> SessionIdField::read(std::span<const std::uint8_t> payload) const {
  LEAT_ASSERT(length >= 1 && length <= 8, "a session id of 1 to 8 bytes");
  if (payload.size() < length || payload.size() - length < offset) return std::nullopt;
  std::uint64_t value = 0;
  for (const std::uint8_t byte : payload.subspan(offset, length)) value = value << 8U | byte;
  return value;
}

Result<SessionChoice> SessionChoice::create(SessionIdField field,
                                            std::span<const std::uint64_t> members) {
  if (field.length < 1 || field.length > 8) {
    return Error::invalid_argument(
        fmt::format("a session id of {} bytes: it has 1 to 8", field.length));
  }
  std::vector<Member> sorted;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (field.length < 8 && members[i] >> (8 * field.length) != 0) {
      return Error::invalid_argument(
          fmt::format("member id {} does not fit into a session id of {} "
                      "bytes",
                      members[i], field.length));
    }
    sorted.push_back({members[i], i});
  }
  std::ranges::sort(sorted, {}, &Member::id);
  if (const auto twice = std::ranges::adjacent_find(sorted, {}, &Member::id);
      twice != sorted.end()) {
    return Error::invalid_argument(fmt::format("two members with id {}", twice->id));
  }
  return SessionChoice(field, std::move(sorted));
}

std::optional<std::size_t> SessionChoice::choose(std::span<const std::uint8_t> payload) const {
  const auto id = field_.read(payload);
  if (!id) return std::nullopt;
  const auto member = std::ranges::lower_bound(members_, *id, {}, &Member::id);
  if (member == members_.end() || member->id != *id) return std::nullopt;
  return member->place;
}

}  // namespace leat::steering
