// Internal: sends hostile bytes to a real server and writes down what it made of them.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "support/http_fixture.h"

namespace leat::http::testing {

/// The request an attacker hides behind another; no server may ever serve it.
inline constexpr std::string_view kSmuggled = "GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n";
/// An honest request, to show that the connection is still in step; the last one.
inline constexpr std::string_view kNext =
    "GET /next HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

using Lines = std::vector<std::string>;

/// One row of a table: what is sent, and what must come of it.
struct Hostile {
  std::string_view name;
  std::string bytes;
  int status = 400;  ///< For those that must be refused.
};

/// A server whose handlers answer with what they were given: "POST /x host=a body=abc". Paths below
/// /up/ take the body in pieces, others get it whole.
class SmugglingProbe : public HttpFixture {
 public:
  /// How the bytes arrive.
  enum class Feed { kWhole, kBytewise };

  explicit SmugglingProbe(HttpOptions options = {});
  ~SmugglingProbe() { destroy(); }

  /// One line a response, in the order in which they came: the text of a 200, the status of
  /// others, "100", or "malformed". `finish`: the client sends FIN behind the bytes. Fails the
  /// test if the server does not end the connection, or if what it served is not what it answered.
  [[nodiscard]] Lines feed(std::string_view bytes, Feed feed = Feed::kWhole, bool finish = false);
  /// The same in two pieces, the second when the first has been read.
  [[nodiscard]] Lines feed_cut(std::string_view bytes, std::size_t cut);
  /// Upload handlers that have been called since the last feed() began.
  [[nodiscard]] std::size_t uploads_begun() const;

 private:
  void serve(const HttpRequest& request, std::string_view body, HttpResponder&& responder);
  void begin();
  void send_and_wait(HttpClient& client, std::string_view bytes);
  [[nodiscard]] Lines read(HttpClient& client, bool in_pieces);

  mutable std::mutex mutex_;
  Lines served_;
  std::size_t uploads_begun_ = 0;
  std::uint64_t awaited_ = 0;  // bytes the server is to have read
};

/// Each case, with kSmuggled and kNext behind it, must get its status and the end of the
/// connection, served whole or byte by byte, collected or uploaded. `head`: the fault is in the
/// head, so that no handler may have been called.
void expect_refused(SmugglingProbe& probe, const std::vector<Hostile>& cases, bool head);

/// Each case, with kNext behind it, must be served as `line` and nothing more.
void expect_served(SmugglingProbe& probe, const std::vector<Hostile>& cases,
                   const std::string& line);

/// With visible control characters, for messages.
[[nodiscard]] std::string visible(std::string_view bytes);

}  // namespace leat::http::testing
