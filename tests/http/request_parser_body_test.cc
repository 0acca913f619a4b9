// What RequestParser makes of bodies, with a length and chunked.
#include <string>

#include <gtest/gtest.h>

#include "support/parser_trace.h"

namespace leat::http {
namespace {

using testing::ParserTrace;
using testing::trace;

std::string chunked(std::string_view body, const HttpOptions& options = {}) {
  const std::string all =
      trace("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(body),
            options);
  const std::size_t end = all.find("; ");
  return all.substr(end + 2);
}

TEST(RequestParserBody, ReadsALength) {
  EXPECT_EQ(trace("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 \r\n\r\nabcGET / HTTP/1.1\r\n"
                  "Host: b\r\n\r\n"),
            "HEAD POST / 1.1 host=a keep length=3 | Host=a Content-Length=3; BODY abc; END; "
            "HEAD GET / 1.1 host=b keep | Host=b; END; ");
}

TEST(RequestParserBody, ALengthOfZeroIsNone) {
  EXPECT_EQ(trace("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 000\r\n\r\n"),
            "HEAD POST / 1.1 host=a keep | Host=a Content-Length=000; END; ");
}

TEST(RequestParserBody, ReadsChunks) {  // RFC 9112, 7.1
  EXPECT_EQ(chunked("3\r\nabc\r\n0a\r\n0123456789\r\n0\r\n\r\n"), "BODY abc0123456789; END; ");
  EXPECT_EQ(chunked("0\r\n\r\n"), "END; ");
  EXPECT_EQ(chunked("000\r\n\r\n"), "END; ");
  EXPECT_EQ(chunked("1;a;b=c\r\nx\r\n0;z\r\n\r\n"), "BODY x; END; ");
  EXPECT_EQ(chunked("1\r\nx\r\n0\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
            "BODY x; END; HEAD GET / 1.0 host= close |; END; ");
}

TEST(RequestParserBody, DropsTrailers) {  // RFC 9110, 6.5.1
  EXPECT_EQ(chunked("1\r\nx\r\n0\r\nA: 1\r\nB:\r\n\r\n"), "BODY x; END; ");
  EXPECT_EQ(chunked("0\r\nTransfer-Encoding-Of-Great-Length: 1\r\nHost2: 1\r\n\r\n"), "END; ");
}

TEST(RequestParserBody, RefusesBrokenChunks) {  // RFC 9112, 7.1
  for (const char* body :
       {"\r\n", "x\r\n", "-1\r\n", "+1\r\nx\r\n0\r\n\r\n", "0x1\r\nx\r\n0\r\n\r\n",
        " 1\r\nx\r\n0\r\n\r\n", "1 \r\nx\r\n0\r\n\r\n", "1\nx\r\n0\r\n\r\n", "1\rx\r\n0\r\n\r\n",
        "1;a\nx\r\n0\r\n\r\n", "1;a\rx\r\n0\r\n\r\n", "10000000000000000\r\n", "1;\x01\r\n",
        "1;a=\"\x7f\"\r\nx\r\n0\r\n\r\n", "0\n\r\n", "0\r\n\n", "0\r\n\rX"}) {
    EXPECT_EQ(chunked(body), "ERROR 400") << body;
  }
  for (const char* body :
       {"1\r\nxy\r\n0\r\n\r\n", "1\r\nx\n0\r\n\r\n", "1\r\nx0\r\n\r\n", "1\r\nx\r0\r\n\r\n",
        "1\r\nx\r\n\r\n", "1\r\nx\r\n\n0\r\n\r\n", "1\r\nx\r\ng\r\n"}) {
    EXPECT_EQ(chunked(body), "BODY x; ERROR 400") << body;
  }
}

TEST(RequestParserBody, RefusesBrokenTrailers) {  // RFC 9112, 7.1.2
  for (const char* trailers :
       {" A: 1\r\n\r\n", "A : 1\r\n\r\n", "A: 1\n\r\n", "A: 1\r\n\n", "A: 1\rB: 2\r\n\r\n",
        "A: 1\r\n folded\r\n\r\n", "A:\n\r\n", "A:\r\n b\r\n\r\n", "noname\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n", "Content-Length: 1\r\n\r\n", "hOST: a\r\n\r\n",
        ": a\r\n\r\n", "A: 1\r\nContent-Length: 1\r\n\r\n"}) {
    EXPECT_EQ(chunked("1\r\nx\r\n0\r\n" + std::string(trailers)), "BODY x; ERROR 400") << trailers;
  }
}

TEST(RequestParserBody, LimitsWhatIsNoData) {
  const HttpOptions options{.max_chunk_header_bytes = 16, .max_trailer_bytes = 32};
  EXPECT_EQ(chunked("1;" + std::string(10, 'a') + "\r\nx\r\n0\r\n\r\n", options), "BODY x; END; ");
  EXPECT_EQ(chunked("1;" + std::string(20, 'a') + "\r\nx\r\n0\r\n\r\n", options), "ERROR 400");
  EXPECT_EQ(chunked("1;" + std::string(20, 'a'), options), "ERROR 400");
  EXPECT_EQ(chunked("0\r\nA: " + std::string(20, 'a') + "\r\n\r\n", options), "END; ");
  EXPECT_EQ(chunked("0\r\nA: " + std::string(50, 'a') + "\r\n\r\n", options), "ERROR 400");
  EXPECT_EQ(chunked("0\r\nA: " + std::string(50, 'a'), options), "ERROR 400");
}

TEST(RequestParserBody, NeedsTheWholeOfIt) {
  ParserTrace run;
  run.receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab");
  EXPECT_EQ(run.text(), "HEAD POST / 1.1 host=a keep length=3 | Host=a Content-Length=3; ");
  run.receive("c");
  EXPECT_TRUE(run.text().ends_with("BODY abc; END; "));
}

TEST(RequestParserBody, ConsumesNothingBehindTheEnd) {
  ParserTrace run;
  run.receive("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET");
  EXPECT_EQ(run.rest(), "GET");
}

}  // namespace
}  // namespace leat::http
