// Internal: the work of StaticFiles.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "leat/base/move_only_function.h"
#include "leat/base/timestamp.h"
#include "leat/http/http_request.h"
#include "leat/http/http_responder.h"
#include "leat/http/internal/file_path.h"
#include "leat/http/internal/file_root.h"
#include "leat/http/internal/kept_fields.h"
#include "leat/http/static_files.h"

namespace leat::http::internal {

/// What is to be served, apart from the request's header fields.
struct FileTask {
  std::string path;  ///< Below the root.
  bool is_directory = false;
  HttpMethod method = HttpMethod::kGet;
  Timestamp now;
};

/// Any thread. A request goes as far as it can on the loop, without waiting for a disk; where it
/// would have to, the pool does what is left:
///
///     loop:   open -> decide -> load -> respond
///               |                |         ^
///     pool:     +-> open, decide +-> load -+
class FileServer : public std::enable_shared_from_this<FileServer> {
 public:
  FileServer(FileRoot root, BlockingPool& pool, StaticFilesOptions options)
      : root_(std::move(root)), pool_(pool), options_(std::move(options)) {}

  void serve(const HttpRequest& request, HttpResponder responder) const;

 private:
  [[nodiscard]] std::optional<HttpResponse> answer(const FileTask& task, const HeaderList& headers,
                                                   Waiting waiting) const;
  [[nodiscard]] std::optional<HttpResponse> answer_directory(const FileTask& task,
                                                             const OpenedFile& directory,
                                                             const HeaderList& headers,
                                                             Waiting waiting) const;
  [[nodiscard]] HttpResponse answer_file(const FileTask& task, const OpenedFile& file,
                                         std::string_view name, const HeaderList& headers) const;
  [[nodiscard]] HttpResponse redirect_to_directory(const FileTask& task) const;
  [[nodiscard]] bool load(HttpResponse& response, HttpMethod method, Waiting waiting) const;
  void answer_in_pool(FileTask task, KeptFields fields, HttpResponder responder) const;
  void load_in_pool(HttpResponse response, HttpResponder responder) const;
  void run_in_pool(HttpResponder responder, MoveOnlyFunction<HttpResponse()> work) const;

  const FileRoot root_;
  BlockingPool& pool_;
  const StaticFilesOptions options_;
};

}  // namespace leat::http::internal
