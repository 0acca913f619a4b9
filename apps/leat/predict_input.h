// Internal: the packets of a trace file, one by one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "leat/base/result.h"
#include "leat/base/unique_fd.h"
#include "leat/wire/trace_reader.h"

namespace leat::app {

/// Reads a file or a pipe piece by piece, so a trace may be longer than memory.
class PredictInput {
 public:
  /// "-" is standard input.
  [[nodiscard]] static Result<PredictInput> open(const std::string& path);

  /// The next packet, good until the next call; nullptr at the end, and where the trace is damaged
  /// or cannot be read on: then there is an error().
  [[nodiscard]] const wire::TracePacket* next();
  [[nodiscard]] const std::optional<std::string>& error() const { return error_; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  PredictInput(std::string name, UniqueFd descriptor);
  bool fill();

  std::string name_;
  UniqueFd descriptor_;
  wire::TraceReader reader_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;  ///< buffer_[begin_, end_) was read from the file and not used yet.
  std::size_t end_ = 0;
  bool complete_ = false;
  std::optional<std::string> error_;  ///< A sentence; there is nothing for a program in it.
};

}  // namespace leat::app
