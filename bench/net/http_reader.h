// Internal: finds the ends of HTTP responses in what a server sends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace leat::bench {

/// Enough of RFC 9112 to count responses to GET without being fooled: heads of any cut, content
/// with Content-Length or chunked. Not 1xx, and not content that ends with the connection.
class HttpReader {
 public:
  /// How many responses end within `bytes`. Throws std::runtime_error with what is wrong if a
  /// response is malformed, is not 200, or its content has not `content_size` bytes.
  [[nodiscard]] std::size_t feed(std::string_view bytes, std::size_t content_size);

 private:
  enum class Part : std::uint8_t { kHead, kContent, kChunkSize, kChunk, kChunkEnd, kTrailer };

  bool take_head(std::string_view& bytes, std::size_t content_size);
  bool take_line(std::string_view& bytes);
  bool take_content(std::string_view& bytes);
  bool step(std::string_view& bytes, std::size_t content_size);
  void end_of_size_line(std::size_t content_size);
  void parse_head(std::string_view head);

  Part part_ = Part::kHead;
  bool complete_ = false;
  bool chunked_ = false;
  std::size_t missing_ = 0;  // of the content or the chunk
  std::size_t content_ = 0;  // of the chunks so far
  std::size_t length_ = 0;   // as the last head said
  std::string kept_;         // the beginning of a head or line
  std::string last_head_;    // one that is the same again need not be parsed
};

}  // namespace leat::bench
