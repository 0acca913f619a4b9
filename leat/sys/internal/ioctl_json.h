// Internal: what SIOCETHTOOL answers, as JSON and back.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "leat/base/result.h"
#include "leat/sys/internal/attribute_json.h"

namespace leat::sys::internal {

/// Under which name a command's answer is kept: "driver", "statistics", "ntuple", "rss"; empty for
/// those that no reader of leat/sys uses.
[[nodiscard]] std::string ioctl_name(std::span<const std::byte> command);

/// Takes an answer into the device's object.
void keep_ioctl(const std::string& name, std::span<const std::byte> answer, Json& device);

/// Answers a reading command from the device's object, or changes it by a writing one
/// (SRXCLSRLINS, SRXCLSRLDEL).
Result<void> answer_ioctl(const std::string& name, Json& device, std::span<std::byte> command);

/// Whether a command changes something.
[[nodiscard]] bool is_writing_ioctl(std::span<const std::byte> command);

}  // namespace leat::sys::internal
