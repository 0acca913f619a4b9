#include "leat/http/internal/file_response.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "leat/base/monotonic_time.h"
#include "leat/http/internal/byte_range.h"
#include "leat/http/internal/conditional.h"
#include "leat/http/mime_types.h"

namespace leat::http::internal {

namespace {

/// RFC 9110, 8.8.2.1: no later than the time of the response, and whole seconds.
Timestamp last_modified(const struct stat& status, Timestamp now) {
  const std::time_t second = std::min(status.st_mtim.tv_sec, now.to_time_t());
  return Timestamp::from_time_t(second);
}

/// Stands in no file but by intent, and then only parts of the same file are confused.
std::string make_boundary(Timestamp now) {
  static std::atomic<std::uint64_t> count{0};
  const auto moment = monotonic_now().time_since_epoch().count();
  return fmt::format("leat-{:x}-{:x}-{:x}", now.microseconds_since_epoch(), moment,
                     count.fetch_add(1, std::memory_order_relaxed));
}

/// RFC 9110, 14.6.
HttpResponse make_multipart(const OpenedFile& file, std::string_view type, std::uint64_t size,
                            const std::vector<ByteRange>& ranges, Timestamp now) {
  const std::string boundary = make_boundary(now);
  std::vector<FilePart> parts;
  for (const ByteRange& range : ranges) {
    std::string head =
        fmt::format("{}--{}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n",
                    parts.empty() ? "" : "\r\n", boundary, type, content_range(range, size));
    parts.push_back({std::move(head), file.fd, range.first, range.length});
  }
  parts.push_back({.text = fmt::format("\r\n--{}--\r\n", boundary), .file = nullptr});
  HttpResponse response(206);
  response.header("Content-Type", "multipart/byteranges; boundary=" + boundary)
      .body(std::move(parts));
  return response;
}

HttpResponse make_part(const OpenedFile& file, std::string_view type, std::uint64_t size,
                       const ByteRange& range) {
  HttpResponse response(206);
  response.header("Content-Type", type)
      .header("Content-Range", content_range(range, size))
      .body(std::vector<FilePart>{{{}, file.fd, range.first, range.length}});
  return response;
}

HttpResponse make_whole(const OpenedFile& file, std::string_view type, std::uint64_t size) {
  HttpResponse response(200);
  response.header("Content-Type", type)
      .header("Accept-Ranges", "bytes")
      .body(std::vector<FilePart>{{{}, file.fd, 0, size}});
  return response;
}

HttpResponse make_content(const OpenedFile& file, std::string_view name, HttpMethod method,
                          const HeaderList& headers, const Validators& validators, Timestamp now,
                          std::size_t max_ranges) {
  const std::string_view type = mime_type(name);
  const auto size = static_cast<std::uint64_t>(file.status.st_size);
  // RFC 9110, 14.2: Range means something for GET only.
  const auto range = method == HttpMethod::kGet && headers.count("Range") == 1
                         ? headers.find("Range")
                         : std::nullopt;
  if (!range || !if_range_allows(headers, validators, now)) return make_whole(file, type, size);
  const RangeRequest request = parse_range(*range, size, max_ranges);
  switch (request.verdict) {
    case RangeVerdict::kWhole:
      return make_whole(file, type, size);
    case RangeVerdict::kUnsatisfiable: {
      HttpResponse response = HttpResponse::text("416 Range Not Satisfiable\n", 416);
      response.header("Content-Range", unsatisfied_range(size));
      return response;
    }
    case RangeVerdict::kParts:
      break;
  }
  if (request.parts.size() == 1) return make_part(file, type, size, request.parts.front());
  return make_multipart(file, type, size, request.parts, now);
}

}  // namespace

std::string make_etag(const struct stat& status) {
  const auto modified = static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000 +
                        static_cast<std::uint64_t>(status.st_mtim.tv_nsec);
  return fmt::format("\"{:x}-{:x}-{:x}\"", status.st_ino, status.st_size, modified);
}

HttpResponse make_file_response(const OpenedFile& file, std::string_view name, HttpMethod method,
                                const HeaderList& headers, Timestamp now,
                                const FileResponseOptions& options) {
  const std::string etag = make_etag(file.status);
  const Validators validators{etag, last_modified(file.status, now)};
  std::optional<HttpResponse> response;
  switch (check_preconditions(headers, method, validators, now)) {
    case Precondition::kFailed:
      response = HttpResponse::text("412 Precondition Failed\n", 412);
      break;
    case Precondition::kNotModified:
      response.emplace(304);
      break;
    case Precondition::kServe:
      response = make_content(file, name, method, headers, validators, now, options.max_ranges);
      break;
  }
  response->header("ETag", etag).header("Last-Modified", validators.last_modified.to_http_date());
  if (!options.cache_control.empty()) response->header("Cache-Control", options.cache_control);
  return *std::move(response);
}

}  // namespace leat::http::internal
