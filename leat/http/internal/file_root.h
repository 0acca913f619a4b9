// Internal: files below a directory, opened so that nothing leads out of it.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <string>

#include "leat/base/result.h"
#include "leat/base/unique_fd.h"

namespace leat::http::internal {

/// Whether a call may wait for a disk.
enum class Waiting : std::uint8_t { kNever, kAllowed };

struct OpenedFile {
  std::shared_ptr<const UniqueFd> fd;
  struct stat status{};

  [[nodiscard]] bool is_directory() const { return S_ISDIR(status.st_mode); }
  [[nodiscard]] bool is_regular() const { return S_ISREG(status.st_mode); }
};

/// Any thread.
class FileRoot {
 public:
  /// As StaticFiles::create().
  [[nodiscard]] static Result<FileRoot> open(const std::string& directory);

  /// `path` is relative ("a/b", "."). With Waiting::kNever it fails with EAGAIN if the answer is
  /// not in the kernel's caches. EXDEV says that the path led out.
  [[nodiscard]] Result<OpenedFile> open_file(const std::string& path, Waiting waiting) const;

 private:
  FileRoot(UniqueFd directory, bool has_cached)
      : directory_(std::move(directory)), has_cached_(has_cached) {}

  UniqueFd directory_;
  bool has_cached_;  // RESOLVE_CACHED: Linux 5.12
};

}  // namespace leat::http::internal
