#include "leat/http/internal/file_server.h"

#include <cerrno>
#include <exception>
#include <string_view>
#include <utility>
#include <vector>

#include "leat/base/logging.h"
#include "leat/http/http_status.h"
#include "leat/http/internal/directory_listing.h"
#include "leat/http/internal/file_load.h"
#include "leat/http/internal/file_response.h"
#include "leat/reactor/blocking_pool.h"

namespace leat::http::internal {

namespace {

HttpResponse plain_error(int status) {
  std::string text = std::to_string(status);
  text.append(" ").append(reason_phrase(status)).append("\n");
  return HttpResponse::text(std::move(text), status);
}

int status_for(const Error& error) {
  switch (error.number()) {
    case EACCES:
    case EPERM:
      return 403;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
      return 503;
    case EIO:
      return 500;
    default:
      return 404;  // ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, ENXIO; EXDEV: it led out
  }
}

int status_for(PathProblem problem) {
  return problem == PathProblem::kSlash ? 404 : 400;
}

}  // namespace

void FileServer::serve(const HttpRequest& request, HttpResponder responder) const {
  const bool reads = request.method() == HttpMethod::kGet || request.method() == HttpMethod::kHead;
  if (!reads) {
    responder.respond(plain_error(405).header("Allow", "GET, HEAD"));
    return;
  }
  std::string_view url = request.path();
  if (!url.starts_with(options_.mount)) {
    responder.respond(plain_error(404));
    return;
  }
  url.remove_prefix(options_.mount.size() - 1);
  FilePath path = to_file_path(url);
  if (path.problem != PathProblem::kNone || (path.is_hidden && !options_.serve_hidden)) {
    const bool is_bad = path.problem != PathProblem::kNone;
    responder.respond(plain_error(is_bad ? status_for(path.problem) : 404));
    return;
  }
  FileTask task{std::move(path.relative), path.is_directory, request.method(), Timestamp::now()};
  std::optional<HttpResponse> response = answer(task, request.headers(), Waiting::kNever);
  if (!response) {
    answer_in_pool(std::move(task), KeptFields(request.headers()), std::move(responder));
  } else if (load(*response, task.method, Waiting::kNever)) {
    responder.respond(*std::move(response));
  } else {
    load_in_pool(*std::move(response), std::move(responder));
  }
}

/// None if it would have to wait and must not.
std::optional<HttpResponse> FileServer::answer(const FileTask& task, const HeaderList& headers,
                                               Waiting waiting) const {
  const Result<OpenedFile> file = root_.open_file(task.path, waiting);
  if (!file) {
    if (waiting == Waiting::kNever && file.error().number() == EAGAIN) return std::nullopt;
    return plain_error(status_for(file.error()));
  }
  if (file->is_directory()) {
    if (!task.is_directory) return redirect_to_directory(task);
    return answer_directory(task, *file, headers, waiting);
  }
  if (!file->is_regular() || task.is_directory) return plain_error(404);
  return answer_file(task, *file, task.path, headers);
}

std::optional<HttpResponse> FileServer::answer_directory(const FileTask& task,
                                                         const OpenedFile& directory,
                                                         const HeaderList& headers,
                                                         Waiting waiting) const {
  if (!options_.index.empty()) {
    const Result<OpenedFile> index = root_.open_file(task.path + "/" + options_.index, waiting);
    if (index && index->is_regular()) return answer_file(task, *index, options_.index, headers);
    if (!index && waiting == Waiting::kNever && index.error().number() == EAGAIN) {
      return std::nullopt;
    }
    if (!index && index.error().number() != ENOENT) return plain_error(status_for(index.error()));
  }
  if (!options_.list_directories) return plain_error(404);
  if (waiting == Waiting::kNever) return std::nullopt;
  const bool is_root = task.path == ".";
  Result<std::string> page = list_directory(directory, is_root ? "/" : "/" + task.path + "/",
                                            is_root, options_.serve_hidden);
  if (!page) return plain_error(status_for(page.error()));
  return HttpResponse::html(*std::move(page));
}

HttpResponse FileServer::answer_file(const FileTask& task, const OpenedFile& file,
                                     std::string_view name, const HeaderList& headers) const {
  return make_file_response(file, name, task.method, headers, task.now,
                            {options_.max_ranges, options_.cache_control});
}

/// Made from the decoded path: what the client sent could begin with "//", which is a host.
HttpResponse FileServer::redirect_to_directory(const FileTask& task) const {
  std::string location = options_.mount;
  std::string_view rest = task.path;
  while (!rest.empty()) {
    const std::size_t end = rest.find('/');
    append_percent_encoded(location, rest.substr(0, end));
    location += '/';
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return HttpResponse::redirect(location);
}

bool FileServer::load(HttpResponse& response, HttpMethod method, Waiting waiting) const {
  if (method == HttpMethod::kHead) return true;
  HttpResponse::Body body = response.take_body();
  auto* parts = std::get_if<std::vector<FilePart>>(&body);
  const bool loaded = parts == nullptr || load_parts(*parts, options_.small_file, waiting);
  if (parts != nullptr) {
    response.body(std::move(*parts));
  } else if (auto* text = std::get_if<std::string>(&body)) {
    response.body(std::move(*text));
  }
  return loaded;
}

void FileServer::answer_in_pool(FileTask task, KeptFields fields, HttpResponder responder) const {
  run_in_pool(std::move(responder),
              [self = shared_from_this(), task = std::move(task), fields = std::move(fields)] {
                HttpResponse response = *self->answer(task, fields.list(), Waiting::kAllowed);
                static_cast<void>(self->load(response, task.method, Waiting::kAllowed));
                return response;
              });
}

void FileServer::load_in_pool(HttpResponse response, HttpResponder responder) const {
  run_in_pool(std::move(responder),
              [self = shared_from_this(), response = std::move(response)]() mutable {
                static_cast<void>(self->load(response, HttpMethod::kGet, Waiting::kAllowed));
                return std::move(response);
              });
}

void FileServer::run_in_pool(HttpResponder responder, MoveOnlyFunction<HttpResponse()> work) const {
  // Held from here too, so that it can answer if the pool takes no more.
  const auto shared = std::make_shared<HttpResponder>(std::move(responder));
  const Result<void> accepted = pool_.run(
      shared->loop_handle(),
      [work = std::move(work)] {
        try {
          return work();
        } catch (const std::exception& e) {
          LEAT_LOG_ERROR("serving a file failed: {}", e.what());
          return plain_error(500);
        }
      },
      [shared](HttpResponse response) { shared->respond(std::move(response)); });
  if (!accepted) shared->respond(plain_error(503));
}

}  // namespace leat::http::internal
