// Internal: a blocking HTTP client made of plain system calls, that hides nothing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "leat/base/unique_fd.h"
#include "leat/net/inet_address.h"

namespace leat::http::testing {

/// What came back. `status` is 0 if the connection ended before a whole head came.
struct Reply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool complete = false;  ///< The body ended where its framing said.
  bool chunked = false;

  /// The only field of that name (any case); "<none>" if there is none, "<several>" otherwise.
  [[nodiscard]] std::string header(std::string_view name) const;
};

/// Every read and write gives up after a generous time limit.
class HttpClient {
 public:
  /// `receive_buffer`: bytes of SO_RCVBUF, if not 0.
  explicit HttpClient(const InetAddress& server, int receive_buffer = 0);

  /// Sends all; false if the connection broke.
  bool send(std::string_view bytes);
  /// Reads one response. `to_head`: it has no body.
  [[nodiscard]] Reply read_reply(bool to_head = false);
  [[nodiscard]] Reply get(std::string_view target, std::string_view fields = {});
  /// Reads until `count` bytes are there or the peer finishes.
  [[nodiscard]] std::string read(std::size_t count);
  [[nodiscard]] std::string read_to_end();
  /// The peer has finished, without a reset and without another byte.
  [[nodiscard]] bool sees_end();
  void finish_writing();
  /// Closes so that the peer gets a reset.
  void reset();
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  bool fill();
  [[nodiscard]] std::string take(std::size_t count);
  [[nodiscard]] std::string take_line();
  void read_chunks(Reply& reply);

  UniqueFd fd_;
  std::string buffer_;
  bool ended_ = false;
  bool broken_ = false;
};

/// A GET with Host and what `fields` adds, each line of it with its end.
[[nodiscard]] std::string get_request(std::string_view target, std::string_view fields = {});

}  // namespace leat::http::testing
