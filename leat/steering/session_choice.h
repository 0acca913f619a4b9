// Public: the choice of a member by an id that the packet's payload carries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "leat/base/result.h"

namespace leat::steering {

/// Where in a payload an id lies, as a big-endian number: a QUIC connection id's first bytes, say.
struct SessionIdField {
  std::size_t offset = 0;  ///< In bytes from the payload's begin.
  std::size_t length = 1;  ///< 1 to 8 bytes.

  /// Nothing if the payload ends before the field does. `length` must be within its bounds.
  [[nodiscard]] std::optional<std::uint64_t> read(std::span<const std::uint8_t> payload) const;
};

/// Chooses the member whose number the payload carries: a loop's number, or a process's id, put by
/// the server into the ids that it gives out. So a session stays where its state is, whatever its
/// address becomes, and however many members come and go.
///
/// What names no member gets no choice, and the caller falls back to a hash: packets of sessions
/// that have no id yet, and of members that are gone. A value.
class SessionChoice {
 public:
  /// members[i] is the id that member i answers to. An error if two have one id, if an id does not
  /// fit into the field, or if the field's length is not 1 to 8.
  [[nodiscard]] static Result<SessionChoice> create(SessionIdField field,
                                                    std::span<const std::uint64_t> members);

  /// The member's place in the list.
  [[nodiscard]] std::optional<std::size_t> choose(std::span<const std::uint8_t> payload) const;
  [[nodiscard]] const SessionIdField& field() const { return field_; }

 private:
  struct Member {
    std::uint64_t id;
    std::size_t place;
  };

  SessionChoice(SessionIdField field, std::vector<Member> members)
      : field_(field), members_(std::move(members)) {}

  SessionIdField field_;
  std::vector<Member> members_;  ///< By id.
};

}  // namespace leat::steering
