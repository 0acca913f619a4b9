#include "apps/leat/predict_input.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace leat::app {

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 18;

}  // namespace

Result<PredictInput> PredictInput::open(const std::string& path) {
  const bool standard_input = path == "-";
  UniqueFd descriptor(standard_input ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                     : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string name = standard_input ? "standard input" : path;
  if (!descriptor) return Error::from_errno(errno, "open the trace " + name);
  return PredictInput(std::move(name), std::move(descriptor));
}

PredictInput::PredictInput(std::string name, UniqueFd descriptor)
    : name_(std::move(name)), descriptor_(std::move(descriptor)), buffer_(2 * kPiece) {}

const wire::TracePacket* PredictInput::next() {
  if (error_) return nullptr;
  for (;;) {
    const std::span<const std::byte> bytes(buffer_.data() + begin_, end_ - begin_);
    const wire::TraceReader::Event event = reader_.next(bytes, complete_);
    begin_ += reader_.consumed();
    switch (event) {
      case wire::TraceReader::Event::kPacket:
        return &reader_.packet();
      case wire::TraceReader::Event::kEnd:
        return nullptr;
      case wire::TraceReader::Event::kDamaged:
        error_ = name_ + ": " + reader_.error().context();
        return nullptr;
      case wire::TraceReader::Event::kNeedMore:
        if (!fill()) return nullptr;
    }
  }
}

bool PredictInput::fill() {
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
            buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
  end_ -= begin_;
  begin_ = 0;
  // Only a record longer than all records so far lets it grow, up to the reader's own bound.
  if (buffer_.size() - end_ < kPiece) buffer_.resize(2 * buffer_.size());
  ssize_t got = 0;
  do {
    got = ::read(descriptor_.get(), buffer_.data() + end_, buffer_.size() - end_);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    const Error error = Error::from_errno(
        errno, fmt::format("read the trace {} after packet {}", name_, reader_.packets()));
    error_ = error.message();
    return false;
  }
  complete_ = got == 0;
  end_ += static_cast<std::size_t>(got);
  return true;
}

}  // namespace leat::app
