#include "leat/http/internal/file_load.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

namespace leat::http::internal {

namespace {

// Of a large file: so much the loop can send before readahead has to keep up.
constexpr std::uint64_t kFirstPart = 1024 * 1024;
constexpr std::size_t kStep = 128 * 1024;

ssize_t read_at(int fd, char* to, std::size_t size, std::uint64_t offset, Waiting waiting) {
  const iovec vector{.iov_base = to, .iov_len = size};
  const int flags = waiting == Waiting::kNever ? RWF_NOWAIT : 0;
  ssize_t count = 0;
  do {
    count = ::preadv2(fd, &vector, 1, static_cast<off_t>(offset), flags);
  } while (count < 0 && errno == EINTR);
  return count;
}

/// Appends a range; false if it is not all there (yet).
bool append_range(std::string& out, const FilePart& part, Waiting waiting) {
  const std::size_t before = out.size();
  const auto length = static_cast<std::size_t>(part.length);
  out.resize(before + length);
  std::size_t done = 0;
  while (done < length) {
    const ssize_t count = read_at(part.file->get(), out.data() + before + done, length - done,
                                  part.offset + done, waiting);
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

bool take_in(std::vector<FilePart>& parts, Waiting waiting) {
  std::string text;
  for (const FilePart& part : parts) {
    text += part.text;
    if (!append_range(text, part, waiting)) return false;
  }
  parts.clear();
  parts.push_back({.text = std::move(text), .file = nullptr});
  return true;
}

/// A byte at both ends: what lies between was most likely read together with them.
bool is_cached(const FilePart& part, std::uint64_t length) {
  char byte = 0;
  const int fd = part.file->get();
  return read_at(fd, &byte, 1, part.offset, Waiting::kNever) >= 0 &&
         read_at(fd, &byte, 1, part.offset + length - 1, Waiting::kNever) >= 0;
}

void read_through(const FilePart& part, std::uint64_t length) {
  std::string scratch(kStep, '\0');
  for (std::uint64_t done = 0; done < length;) {
    const ssize_t count = read_at(part.file->get(), scratch.data(), scratch.size(),
                                  part.offset + done, Waiting::kAllowed);
    if (count <= 0) return;
    done += static_cast<std::uint64_t>(count);
  }
}

}  // namespace

bool load_parts(std::vector<FilePart>& parts, std::size_t small, Waiting waiting) {
  std::uint64_t total = 0;
  for (const FilePart& part : parts) total += part.length;
  // Without waiting, an error or a shorter file is for the pool to find out.
  if (total <= small && take_in(parts, waiting)) return true;
  if (total <= small && waiting == Waiting::kNever) return false;
  const auto first = std::find_if(parts.begin(), parts.end(),
                                  [](const FilePart& part) { return part.length > 0; });
  if (first == parts.end()) return true;
  const std::uint64_t length = std::min(first->length, kFirstPart);
  if (waiting == Waiting::kNever) return is_cached(*first, length);
  read_through(*first, length);
  return true;
}

}  // namespace leat::http::internal
