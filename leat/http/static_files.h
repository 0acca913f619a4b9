// Public: a handler that serves the files of a directory.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "leat/base/result.h"
#include "leat/http/http_request.h"
#include "leat/http/http_responder.h"

namespace leat {
class BlockingPool;
}

namespace leat::http {

namespace internal {
class FileServer;
}

struct StaticFilesOptions {
  /// The path under which the handler is installed, ending in '/'; it stands for the root.
  std::string mount = "/";
  /// The file that stands for its directory; empty for none.
  std::string index = "index.html";
  /// Lists directories that have no index, instead of 404.
  bool list_directories = false;
  /// Also serves what has a name that begins with a dot.
  bool serve_hidden = false;
  /// More ranges than this in one request are answered with the whole file.
  std::size_t max_ranges = 16;
  /// Up to so many bytes a file is read and sent with its head, instead of by sendfile().
  std::size_t small_file = 16 * 1024;
  /// Value of Cache-Control; empty for none.
  std::string cache_control = {};
};

/// GET and HEAD for regular files below a directory, with ETag, Last-Modified, conditional
/// requests and ranges (RFC 9110, 13 and 14). A value to give to HttpServer::handle(); copies
/// share their state.
///
/// The kernel itself keeps requests inside (openat2 with RESOLVE_BENEATH): neither ".." nor a
/// symbolic link leads out of the root; links that stay inside are followed. What is not in the
/// kernel's caches is opened and read in the pool, so that cold files do not block the loop (all
/// of a small file or list, the first part of a large one; the rest relies on readahead).
///
/// A file is recognised by inode, size and modification time: one that is rewritten in place
/// within the granularity of the time, with its size unchanged, is not seen to have changed.
/// Replacing files by rename(2) is safe in every way.
class StaticFiles {
 public:
  /// `pool` must outlive the server. Fails as open(2) does if `root` is not a directory that can
  /// be read, and with ENOSYS where there is no openat2: before Linux 5.6, and in containers whose
  /// filter refuses it. A walk in user space would be open to races with whoever may rename.
  [[nodiscard]] static Result<StaticFiles> create(const std::string& root, BlockingPool& pool,
                                                  StaticFilesOptions options = {});

  void operator()(const HttpRequest& request, HttpResponder responder) const;

 private:
  explicit StaticFiles(std::shared_ptr<const internal::FileServer> server)
      : server_(std::move(server)) {}

  std::shared_ptr<const internal::FileServer> server_;
};

}  // namespace leat::http
