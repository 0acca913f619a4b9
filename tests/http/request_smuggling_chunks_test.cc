// Chunked bodies that servers in a row may end at different places.
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "support/smuggling_probe.h"

namespace leat::http {
namespace {

using namespace std::string_literals;
using testing::expect_refused;
using testing::expect_served;
using testing::Hostile;
using testing::kNext;
using testing::kSmuggled;
using testing::Lines;
using testing::SmugglingProbe;

const std::string kHead = "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";

std::vector<Hostile> bodies(std::string_view name, const std::vector<std::string>& all,
                            int status = 400) {
  std::vector<Hostile> cases;
  for (const std::string& body : all) cases.push_back({name, kHead + body, status});
  return cases;
}

// RFC 9112, 7.1: chunk-size is 1*HEXDIG; a recipient must prepare for large ones.
TEST(RequestSmuggling, ChunkSizes) {
  SmugglingProbe probe;
  std::vector<std::string> all;
  for (const std::string& size : {"0x5"s,
                                  "0X5"s,
                                  "x5"s,
                                  "+5"s,
                                  "-5"s,
                                  "-0"s,
                                  " 5"s,
                                  "\t5"s,
                                  "5 "s,
                                  "5\t"s,
                                  "5  "s,
                                  "5 5"s,
                                  "5x"s,
                                  "5h"s,
                                  "5\x0b"s,
                                  "5\0"s,
                                  "\0005"s,
                                  "5."s,
                                  "5.0"s,
                                  "5,"s,
                                  "\"5\""s,
                                  ""s,
                                  "\r\n5"s,
                                  "5_"s,
                                  "#5"s,
                                  "5:"s,
                                  "5\r"s,
                                  "\r5"s,
                                  "5\n"s,
                                  "\n5"s,
                                  "5\r\n "s,
                                  "\xef\xbc\x95"s,
                                  "5\x80"s,
                                  "%35"s,
                                  "0e5"s + "g",
                                  "10000000000000005"s,
                                  "100000000000000000000000000000005"s,
                                  "ffffffffffffffff5"s,
                                  "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFB"s,
                                  std::string(500, '0') + "5"}) {
    all.push_back(size + "\r\nhello\r\n0\r\n\r\n");
  }
  expect_refused(probe, bodies("size", all), false);
  // 2^63 and 2^64 - 1 are numbers; what follows belongs to the chunk, which never ends.
  for (const std::string& size : {"8000000000000000"s, "ffffffffffffffff"s, "7fffffff"s}) {
    SCOPED_TRACE(size);
    const std::string bytes = kHead + size + "\r\nhello\r\n0\r\n\r\n" + std::string(kSmuggled);
    EXPECT_EQ(probe.feed(bytes, SmugglingProbe::Feed::kWhole, true), Lines{"400"});
  }
}

// RFC 9112, 2.2 and 7.1: each line of the coding ends with CRLF; some readers take less, and some
// skip two bytes behind the data without a look.
TEST(RequestSmuggling, ChunkLineEnds) {
  SmugglingProbe probe;
  expect_refused(
      probe,
      bodies(
          "line ends",
          {
              "5\nhello\r\n0\r\n\r\n",       "5\rhello\r\n0\r\n\r\n",   "5\n\rhello\r\n0\r\n\r\n",
              "5\r\r\nhello\r\n0\r\n\r\n",   "5hello\r\n0\r\n\r\n",     "5\r\nhello\n0\r\n\r\n",
              "5\r\nhello\r0\r\n\r\n",       "5\r\nhello0\r\n\r\n",     "5\r\nhelloXX0\r\n\r\n",
              "5\r\nhelloX\n0\r\n\r\n",      "5\r\nhello\rX0\r\n\r\n",  "5\r\nhello!\r\n0\r\n\r\n",
              "5\r\nhello\r\n\r\n0\r\n\r\n", "5\r\nhello\n\r0\r\n\r\n", "5\r\nhello \r\n0\r\n\r\n",
              "6\r\nhello\r\n0\r\n\r\n",     "4\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\n\r\n",
              "5\r\nhello\r\n0\r\r\n",       "5\r\nhello\r\n0\r\n\n",   "5\r\nhello\r\n0\r\n\r\r\n",
              "5\r\nhello\r\n0\r\n\rX",      "5\r\nhello\r\n0\r\nX",    "5\r\nhello\r\n0 \r\n\r\n",
              "5\r\nhello\r\n\r\n",          "\r\n0\r\n\r\n",           "5\r\nhello\r\n0\n\n",
          }),
      false);
}

// RFC 9112, 7.1.1: extensions are read over, but not without a limit and not across lines.
TEST(RequestSmuggling, ChunkExtensions) {
  SmugglingProbe probe;
  std::vector<std::string> all;
  for (const std::string& extension : {";a\nb"s,
                                       ";a\rb"s,
                                       ";\n"s,
                                       ";\r"s,
                                       ";a\n"s,
                                       ";a\r"s,
                                       ";a=\nb"s,
                                       ";a=\"\n\""s,
                                       ";a=\"\r\n\""s,
                                       ";a=\"\r\""s,
                                       ";a=\"b"s,
                                       ";a=\"b\"c"s,
                                       ";a\0"s,
                                       ";a=\x01"s,
                                       ";a=\"\x7f\""s,
                                       ";\x80"s,
                                       ";"s,
                                       "; a"s,
                                       " ;a"s,
                                       "\t;a"s,
                                       ";a b"s,
                                       ";a=b c"s,
                                       ";a\r\n ;b"s,
                                       ";" + std::string(5000, 'a'),
                                       ";a=\"" + std::string(5000, 'b') + "\"",
                                       std::string(1000, ';')}) {
    all.push_back("5" + extension + "\r\nhello\r\n0\r\n\r\n");
  }
  all.emplace_back("5\r\nhello\r\n0;\n\r\n\r\n");
  all.emplace_back("5\r\nhello\r\n0;a\n\r\n");
  expect_refused(probe, bodies("extension", all), false);
}

// RFC 9110, 6.5.1: a field that decides on framing or on the way of a request is no trailer field.
// This server drops those that it lets pass, so they change nothing.
TEST(RequestSmuggling, Trailers) {
  SmugglingProbe probe;
  std::vector<std::string> refused;
  for (const std::string& trailers : {"Content-Length: 5\r\n"s,
                                      "content-length: 0\r\n"s,
                                      "Content-Length: x\r\n"s,
                                      "Transfer-Encoding: chunked\r\n"s,
                                      "transfer-encoding: identity\r\n"s,
                                      "Host: evil\r\n"s,
                                      "hOST:\r\n"s,
                                      "X: y\r\nContent-Length: 40\r\n"s,
                                      "Content-Length : 5\r\n"s,
                                      " X: y\r\n"s,
                                      "\tX: y\r\n"s,
                                      "X : y\r\n"s,
                                      "X: y\r\n z\r\n"s,
                                      "X: y\r\n\tz\r\n"s,
                                      "X:\r\n y\r\n"s,
                                      "X: y\n"s,
                                      "X: y\r"s,
                                      "X: y\rZ: y\r\n"s,
                                      "X: y\nZ: y\r\n"s,
                                      "X: \0\r\n"s,
                                      "X\0: y\r\n"s,
                                      "X: \x0b\r\n"s,
                                      ": y\r\n"s,
                                      "X\r\n"s,
                                      "X: y\r\n \r\n"s,
                                      "X: " + std::string(8192, 'y') + "\r\n",
                                      "GET /smuggled HTTP/1.1\r\n"s,
                                      "0\r\n"s}) {
    refused.push_back("5\r\nhello\r\n0\r\n" + trailers + "\r\n");
  }
  expect_refused(probe, bodies("trailers", refused), false);
  std::vector<std::string> dropped;
  for (const std::string& trailers :
       {""s, "X: y\r\n"s, "X:\r\n"s, "Connection: close\r\n"s,
        "Connection: Upgrade\r\nUpgrade: h2c\r\n"s, "Expect: 100-continue\r\n"s,
        "X-Content-Length: 5\r\n"s, "X: GET /smuggled HTTP/1.1\r\n"s}) {
    dropped.push_back("5\r\nhello\r\n0\r\n" + trailers + "\r\n");
  }
  expect_served(probe, bodies("trailers", dropped), "POST / host=test body=hello");
}

TEST(RequestSmuggling, OddButClearChunks) {  // RFC 9112, 7.1 and 7.1.1
  SmugglingProbe probe;
  expect_served(probe,
                bodies("chunks",
                       {
                           "5\r\nhello\r\n0\r\n\r\n",
                           "00000005\r\nhello\r\n000\r\n\r\n",
                           std::string(100, '0') + "5\r\nhello\r\n0\r\n\r\n",
                           "1\r\nh\r\n1\r\ne\r\n3\r\nllo\r\n0\r\n\r\n",
                           "5;a\r\nhello\r\n0;b=c\r\n\r\n",
                           "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n",
                           "5;a=\"GET /smuggled HTTP/1.1\"\r\nhello\r\n0\r\n\r\n",
                       }),
                "POST / host=test body=hello");
  expect_served(probe,
                bodies("digits", {"A\r\n0123456789\r\n0\r\n\r\n", "0a\r\n0123456789\r\n0\r\n\r\n"}),
                "POST / host=test body=0123456789");
}

}  // namespace
}  // namespace leat::http
