#include "bench/net/http_reader.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace leat::bench {

namespace {

std::size_t number(std::string_view text, int base) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end == text.data()) throw std::runtime_error("a length is no number");
  return value;
}

bool is_named(std::string_view line, std::string_view name) {
  return line.size() > name.size() && line[name.size()] == ':' &&
         ::strncasecmp(line.data(), name.data(), name.size()) == 0;
}

std::string_view value_of(std::string_view line) {
  line.remove_prefix(line.find(':') + 1);
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  return line;
}

}  // namespace

std::size_t HttpReader::feed(std::string_view bytes, std::size_t content_size) {
  std::size_t responses = 0;
  complete_ = false;
  while (step(bytes, content_size)) {
    if (!complete_) continue;
    ++responses;
    complete_ = false;
  }
  return responses;
}

/// False if more bytes are needed.
bool HttpReader::step(std::string_view& bytes, std::size_t content_size) {
  switch (part_) {
    case Part::kHead:
      return take_head(bytes, content_size);
    case Part::kContent:
      if (!take_content(bytes)) return false;
      part_ = Part::kHead;
      complete_ = true;
      return true;
    case Part::kChunkSize:
      if (!take_line(bytes)) return false;
      end_of_size_line(content_size);
      return true;
    case Part::kChunk:
      if (!take_content(bytes)) return false;
      part_ = Part::kChunkEnd;
      return true;
    case Part::kChunkEnd:
      if (!take_line(bytes)) return false;
      if (!kept_.empty()) throw std::runtime_error("a chunk is longer than its size");
      part_ = Part::kChunkSize;
      return true;
    case Part::kTrailer:
      if (!take_line(bytes)) return false;
      complete_ = kept_.empty();
      if (complete_) part_ = Part::kHead;
      kept_.clear();
      return true;
  }
  return false;
}

bool HttpReader::take_head(std::string_view& bytes, std::size_t content_size) {
  std::string_view head;
  if (kept_.empty() && !last_head_.empty() && bytes.starts_with(last_head_)) {
    bytes.remove_prefix(last_head_.size());
  } else {
    // The end may lie across the cut.
    const std::size_t before = kept_.size();
    const std::size_t from = before < 3 ? 0 : before - 3;
    kept_ += bytes;
    const std::size_t end = kept_.find("\r\n\r\n", from);
    if (end == std::string::npos) {
      bytes = {};
      return false;
    }
    bytes.remove_prefix(end + 4 - before);
    kept_.resize(end + 4);
    parse_head(kept_);
    last_head_.swap(kept_);
    kept_.clear();
  }
  content_ = 0;
  missing_ = length_;
  part_ = chunked_ ? Part::kChunkSize : Part::kContent;
  if (!chunked_ && length_ != content_size)
    throw std::runtime_error("the content has another size");
  return true;
}

void HttpReader::parse_head(std::string_view head) {
  if (!head.starts_with("HTTP/1.1 200 ")) throw std::runtime_error("the status is not 200");
  bool has_length = false;
  chunked_ = false;
  for (std::size_t at = head.find("\r\n") + 2; at + 2 < head.size();) {
    const std::size_t end = head.find("\r\n", at);
    const std::string_view line = head.substr(at, end - at);
    if (is_named(line, "content-length")) {
      length_ = number(value_of(line), 10);
      has_length = true;
    } else if (is_named(line, "transfer-encoding")) {
      chunked_ = true;
    } else if (is_named(line, "connection") && value_of(line) == "close") {
      throw std::runtime_error("the server wants to close the connection");
    }
    at = end + 2;
  }
  if (has_length == chunked_) throw std::runtime_error("where the content ends is not told");
}

/// Into kept_, without its end, which it drops as the line is read.
bool HttpReader::take_line(std::string_view& bytes) {
  const std::size_t end = bytes.find('\n');
  kept_ += bytes.substr(0, end);
  if (end == std::string_view::npos) {
    bytes = {};
    return false;
  }
  bytes.remove_prefix(end + 1);
  if (kept_.empty() || kept_.back() != '\r') throw std::runtime_error("a line has no CRLF");
  kept_.pop_back();
  return true;
}

void HttpReader::end_of_size_line(std::size_t content_size) {
  missing_ = number(kept_, 16);
  kept_.clear();
  content_ += missing_;
  part_ = missing_ > 0 ? Part::kChunk : Part::kTrailer;
  if (missing_ == 0 && content_ != content_size)
    throw std::runtime_error("the content has another size");
}

bool HttpReader::take_content(std::string_view& bytes) {
  const std::size_t part = std::min(missing_, bytes.size());
  bytes.remove_prefix(part);
  missing_ -= part;
  return missing_ == 0;
}

}  // namespace leat::bench
