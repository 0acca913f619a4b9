#include "leat/http/internal/conditional.h"

#include <chrono>
#include <cstddef>
#include <optional>

#include "leat/http/internal/text.h"

namespace leat::http::internal {
namespace {

/// The value of a field that must be there once.
std::optional<std::string_view> single(const HeaderList& headers, std::string_view name) {
  const auto value = headers.find(name);
  return value && headers.count(name) == 1 ? value : std::nullopt;
}

std::optional<Timestamp> date(const HeaderList& headers, std::string_view name, Timestamp now) {
  const auto value = single(headers, name);
  if (!value) return std::nullopt;
  auto parsed = Timestamp::parse_http_date(*value, now);
  return parsed ? std::optional(*parsed) : std::nullopt;
}

/// True if a field of that name is there and one of them matches; `present` says the former.
bool any_matches(const HeaderList& headers, std::string_view name, std::string_view etag, bool weak,
                 bool& present) {
  present = false;
  for (const HeaderField& field : headers) {
    if (!equal_ignoring_case(field.name, name)) continue;
    present = true;
    if (etag_list_matches(field.value, etag, weak)) return true;
  }
  return false;
}

}  // namespace

bool etag_list_matches(std::string_view list, std::string_view etag, bool weak) {
  if (trim(list) == "*") return true;
  // Tags hold neither quotes nor escapes (8.8.3), but commas.
  while (true) {
    const std::size_t open = list.find('"');
    if (open == std::string_view::npos) return false;
    const std::size_t close = list.find('"', open + 1);
    if (close == std::string_view::npos) return false;
    const bool is_weak = open >= 2 && list.substr(open - 2, 2) == "W/";
    if (list.substr(open, close + 1 - open) == etag && (weak || !is_weak)) return true;
    list.remove_prefix(close + 1);
  }
}

Precondition check_preconditions(const HeaderList& headers, HttpMethod method,
                                 const Validators& validators, Timestamp now) {
  const bool reads = method == HttpMethod::kGet || method == HttpMethod::kHead;
  bool present = false;
  // Steps 1 and 2.
  if (any_matches(headers, "If-Match", validators.etag, false, present)) {
    present = true;
  } else if (present) {
    return Precondition::kFailed;
  }
  if (!present) {
    const auto since = date(headers, "If-Unmodified-Since", now);
    if (since && validators.last_modified > *since) return Precondition::kFailed;
  }
  // Steps 3 and 4.
  if (any_matches(headers, "If-None-Match", validators.etag, true, present)) {
    return reads ? Precondition::kNotModified : Precondition::kFailed;
  }
  if (!present && reads) {
    const auto since = date(headers, "If-Modified-Since", now);
    if (since && validators.last_modified <= *since) return Precondition::kNotModified;
  }
  return Precondition::kServe;
}

bool if_range_allows(const HeaderList& headers, const Validators& validators, Timestamp now) {
  if (headers.count("If-Range") == 0) return true;
  const auto value = single(headers, "If-Range");
  if (!value) return false;
  if (value->ends_with('"')) return *value == validators.etag;
  const auto exact = date(headers, "If-Range", now);
  return exact && *exact == validators.last_modified &&
         now - validators.last_modified >= std::chrono::seconds(1);
}

}  // namespace leat::http::internal
