// What RequestParser makes of heads, good and bad. Every refusal names the rule it comes from.
#include <string>

#include <gtest/gtest.h>

#include "support/parser_trace.h"

namespace leat::http {
namespace {

using testing::ParserTrace;
using testing::trace;

std::string error_of(std::string_view bytes, const HttpOptions& options = {}) {
  ParserTrace run(options);
  run.receive(bytes);
  EXPECT_TRUE(run.failed()) << bytes << run.text();
  return run.text();
}

/// A request whose header section is `fields`.
std::string with(std::string_view fields) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
}

TEST(RequestParserHead, ReadsARequest) {
  EXPECT_EQ(trace("GET /x?y=1 HTTP/1.1\r\nHost: a:80\r\nX-Empty:\r\nB: \t v w \t \r\n\r\n"),
            "HEAD GET /x?y=1 1.1 host=a:80 keep | Host=a:80 X-Empty= B=v w; END; ");
}

TEST(RequestParserHead, ReadsPipelinedRequests) {
  EXPECT_EQ(trace(with("") + with("A: 1\r\n")),
            "HEAD GET / 1.1 host=a keep | Host=a; END; "
            "HEAD GET / 1.1 host=a keep | Host=a A=1; END; ");
}

TEST(RequestParserHead, IgnoresEmptyLinesBeforeARequest) {  // RFC 9112, 2.2
  EXPECT_EQ(trace("\r\n\r\n" + with("")), "HEAD GET / 1.1 host=a keep | Host=a; END; ");
}

TEST(RequestParserHead, KnowsWhoKeepsTheConnection) {  // RFC 9112, 9.3
  const auto keeps = [](std::string_view version, std::string_view fields) {
    return trace("GET / HTTP/" + std::string(version) + "\r\nHost: a\r\n" + std::string(fields) +
                 "\r\n")
               .find(" keep |") != std::string::npos;
  };
  EXPECT_TRUE(keeps("1.1", ""));
  EXPECT_TRUE(keeps("1.1", "Connection: keep-alive\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: x, Close\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
  EXPECT_FALSE(keeps("1.0", ""));
  EXPECT_TRUE(keeps("1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keeps("1.0", "Connection: keep-alive, close\r\n"));
  EXPECT_FALSE(keeps("1.0", "Proxy-Connection: keep-alive\r\n"));
}

TEST(RequestParserHead, IgnoresUpgrade) {  // RFC 9110, 7.8
  EXPECT_EQ(
      trace("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + with("")),
      "HEAD GET / 1.1 host=a keep | Host=a Connection=Upgrade Upgrade=h2c; END; "
      "HEAD GET / 1.1 host=a keep | Host=a; END; ");
}

TEST(RequestParserHead, TakesTheHostOfAnAbsoluteTarget) {  // RFC 9112, 3.2.2
  EXPECT_EQ(trace("GET http://b:1/x HTTP/1.1\r\nHost: a\r\n\r\n"),
            "HEAD GET /x 1.1 host=b:1 keep | Host=a; END; ");
  EXPECT_EQ(trace("GET http://b?q HTTP/1.1\r\nHost: a\r\n\r\n"),
            "HEAD GET ?q 1.1 host=b keep | Host=a; END; ");
}

TEST(RequestParserHead, ReadsExpectations) {  // RFC 9110, 10.1.1
  EXPECT_EQ(trace(with("Expect: 100-Continue\r\n")),
            "HEAD GET / 1.1 host=a keep expects | Host=a Expect=100-Continue; END; ");
  EXPECT_EQ(trace(with("Expect: gold\r\n")),
            "HEAD GET / 1.1 host=a keep unknown-expectation | Host=a Expect=gold; END; ");
  EXPECT_EQ(trace("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"),
            "HEAD GET / 1.0 host= close | Expect=100-continue; END; ");
}

TEST(RequestParserHead, RefusesLinesThatDoNotEndWithCrlf) {  // RFC 9112, 2.2
  for (const char* bytes :
       {"GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX:\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\rHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\rX: b\r\n\r\n", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\n\n", "GET / HTTP/1.1\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"}) {
    EXPECT_EQ(error_of(bytes), "ERROR 400") << bytes;
  }
}

TEST(RequestParserHead, RefusesFoldedFields) {  // RFC 9112, 5.2
  EXPECT_EQ(error_of(with("X: a\r\n b\r\n")), "ERROR 400");
  EXPECT_EQ(error_of(with("X: a\r\n\tb\r\n")), "ERROR 400");
  EXPECT_EQ(error_of(with("X:\r\n b\r\n")), "ERROR 400");
  EXPECT_EQ(error_of(with("X: a\r\n \r\n")), "ERROR 400");
  EXPECT_EQ(error_of(with("X: a\r\n b\r\nY: c\r\n")), "ERROR 400");
  EXPECT_EQ(error_of("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), "ERROR 400");
  ParserTrace run;
  run.receive(with("X: a\r\n b\r\n"));
  EXPECT_EQ(run.reason(), "a header field is folded");
}

TEST(RequestParserHead, RefusesBadFieldNames) {  // RFC 9112, 5.1
  for (const char* field : {"X : a", "X\t: a", ": a", "X y: a", "no colon", "nocolon", "(x): a",
                            "\x80: a", "x\x01y: a", "\"x\": a"}) {
    EXPECT_EQ(error_of(with(std::string(field) + "\r\n")), "ERROR 400") << field;
  }
}

TEST(RequestParserHead, RefusesControlCharactersInValues) {  // RFC 9110, 5.5
  for (const char c : {'\0', '\x01', '\x1f', '\x7f'}) {
    EXPECT_EQ(error_of(with(std::string("X: a") + c + "b\r\n")), "ERROR 400");
  }
  EXPECT_EQ(trace(with("X: a\tb\xff\r\n")),
            "HEAD GET / 1.1 host=a keep | Host=a X=a\tb\xff; END; ");
}

TEST(RequestParserHead, RefusesOtherRequestLines) {  // RFC 9112, 3
  for (const char* line :
       {"GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET /", "GET",
        "GET / HTTP/1.10", "GET / http/1.1", "GET / HTTP/x.1", "GET / HTTP/1,1", "GET /\tHTTP/1.1",
        "GET\t/ HTTP/1.1", "GET / RTSP/1.0", "GET / ICE/1.0", "SOURCE / ICE/1.0",
        "DESCRIBE / RTSP/1.0", "GET /a b HTTP/1.1", "\x16\x03\x01", "(x)"}) {
    EXPECT_EQ(error_of(std::string(line) + "\r\nHost: a\r\n\r\n"), "ERROR 400") << line;
  }
}

TEST(RequestParserHead, RefusesOtherVersions) {  // RFC 9110, 15.6.6
  for (const char* version : {"2.0", "0.9", "1.2", "3.0", "9.9"}) {
    EXPECT_EQ(error_of("GET / HTTP/" + std::string(version) + "\r\nHost: a\r\n\r\n"), "ERROR 505")
        << version;
  }
  EXPECT_EQ(error_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "ERROR 505");
}

TEST(RequestParserHead, RefusesUnknownMethods) {  // RFC 9110, 9.1
  for (const char* method : {"get", "FOO", "GETX", "G-ET", "CONNECT", "DESCRIBE"}) {
    EXPECT_EQ(error_of(std::string(method) + " / HTTP/1.1\r\nHost: a\r\n\r\n"), "ERROR 501")
        << method;
  }
  EXPECT_EQ(error_of("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"), "ERROR 501");
  EXPECT_EQ(error_of("GE\x01 / HTTP/1.1\r\nHost: a\r\n\r\n"), "ERROR 400");
  EXPECT_EQ(trace("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n"),
            "HEAD PROPFIND / 1.1 host=a keep | Host=a; END; ");
}

TEST(RequestParserHead, RefusesBadTargets) {  // RFC 9112, 3.2
  for (const char* target : {"*", "a", "/#f", "/\"", "/<x>", "/\x80", "/\x01", "http://",
                             "ftp://a/", "http://u@a/", "a:80"}) {
    EXPECT_EQ(error_of("GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n\r\n"), "ERROR 400")
        << target;
  }
  EXPECT_EQ(trace("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
            "HEAD OPTIONS * 1.1 host=a keep | Host=a; END; ");
}

TEST(RequestParserHead, WantsOneGoodHost) {  // RFC 9112, 3.2
  EXPECT_EQ(error_of("GET / HTTP/1.1\r\n\r\n"), "ERROR 400");
  EXPECT_EQ(error_of("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), "ERROR 400");
  EXPECT_EQ(error_of("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n"), "ERROR 400");
  EXPECT_EQ(error_of("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), "ERROR 400");
  EXPECT_EQ(error_of("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), "ERROR 400");
  EXPECT_EQ(error_of("GET http://b/ HTTP/1.1\r\n\r\n"), "ERROR 400");
  EXPECT_EQ(trace("GET / HTTP/1.0\r\n\r\n"), "HEAD GET / 1.0 host= close |; END; ");
  EXPECT_EQ(trace("GET / HTTP/1.1\r\nHost:\r\n\r\n"), "HEAD GET / 1.1 host= keep | Host=; END; ");
}

TEST(RequestParserHead, RefusesAmbiguousFraming) {  // RFC 9112, 6.1 to 6.3
  for (const char* fields : {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
                             "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
                             "Transfer-Encoding: gzip\r\nContent-Length: 3\r\n",
                             "Content-Length: 3\r\nContent-Length: 4\r\n",
                             "Content-Length: 3\r\nContent-Length: 3\r\n",
                             "Content-Length: 3, 3\r\n",
                             "Content-Length: +3\r\n",
                             "Content-Length: -3\r\n",
                             "Content-Length:\r\n",
                             "Content-Length: 0x3\r\n",
                             "Content-Length: 3 4\r\n",
                             "Content-Length: 3\r\ncontent-length: 0\r\n",
                             "Transfer-Encoding: gzip\r\n",
                             "Transfer-Encoding: chunked, gzip\r\n",
                             "Transfer-Encoding: chunked, chunked\r\n",
                             "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                             "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
                             "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
                             "Transfer-Encoding:\r\n",
                             "Transfer-Encoding: xchunked\r\n",
                             "Transfer-Encoding: chunkedx\r\n",
                             "Transfer-Encoding: chunked\t\r\n",
                             "Transfer-Encoding: \"chunked\"\r\n",
                             "Transfer-Encoding: chunked;q=1\r\n",
                             "Transfer-Encoding : chunked\r\n",
                             "Transfer-Encoding: identity\r\n",
                             "Transfer-Encoding: \x0b"
                             "chunked\r\n",
                             "Transfer-Encoding:\r\n chunked\r\n",
                             "Content-Length: 3\r\n 4\r\n",
                             "\x01Content-Length: 3\r\n"}) {
    EXPECT_EQ(error_of("POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n"),
              "ERROR 400")
        << fields;
  }
  EXPECT_EQ(error_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), "ERROR 400");
}

TEST(RequestParserHead, RefusesCodingsThatItDoesNotKnow) {  // RFC 9112, 6.1
  EXPECT_EQ(error_of("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
            "ERROR 501");
}

TEST(RequestParserHead, RefusesLengthsBeyondSixtyFourBits) {  // RFC 9110, 8.6
  EXPECT_EQ(error_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n"),
            "ERROR 413");
  EXPECT_EQ(trace("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n"),
            "HEAD POST / 1.1 host=a keep length=18446744073709551615 | "
            "Host=a Content-Length=18446744073709551615; ");
}

TEST(RequestParserHead, LimitsTheRequestLine) {  // RFC 9112, 3
  const HttpOptions options{.max_request_line = 32};
  const std::string line = "GET /" + std::string(19, 'x') + " HTTP/1.1";  // with CRLF: 35 bytes
  EXPECT_EQ(error_of(line + "\r\nHost: a\r\n\r\n", options), "ERROR 414");
  EXPECT_EQ(error_of("GET /" + std::string(100, 'x'), options), "ERROR 414");
  EXPECT_EQ(trace("GET /xxxx HTTP/1.1\r\nHost: a\r\n\r\n", options),
            "HEAD GET /xxxx 1.1 host=a keep | Host=a; END; ");
  EXPECT_EQ(error_of(std::string(40, '\r') + "\n", HttpOptions{.max_request_line = 16}),
            "ERROR 414");
}

TEST(RequestParserHead, LimitsTheHeaderSection) {  // RFC 6585, 5
  const HttpOptions options{.max_header_bytes = 64};
  const std::string fits = with("X: " + std::string(64 - 32, 'x') + "\r\n");
  ASSERT_EQ(fits.size(), 64u);
  EXPECT_EQ(trace(fits, options).substr(0, 4), "HEAD");
  EXPECT_EQ(error_of(with("X: " + std::string(65 - 32, 'x') + "\r\n"), options), "ERROR 431");
  EXPECT_EQ(error_of(with("X: " + std::string(10000, 'x')), options), "ERROR 431");
}

TEST(RequestParserHead, LimitsTheNumberOfFields) {
  const HttpOptions options{.max_header_count = 3};
  EXPECT_EQ(trace(with("A: 1\r\nB: 2\r\n"), options),
            "HEAD GET / 1.1 host=a keep | Host=a A=1 B=2; END; ");
  EXPECT_EQ(error_of(with("A: 1\r\nB: 2\r\nC: 3\r\n"), options), "ERROR 431");
}

TEST(RequestParserHead, StaysInErrorUntilRestarted) {
  const HttpOptions options;
  internal::RequestParser parser(options);
  EXPECT_EQ(parser.parse_head("\x01"), internal::RequestParser::Event::kError);
  EXPECT_EQ(parser.parse_head(with("")), internal::RequestParser::Event::kError);
  EXPECT_EQ(parser.parse_body("").event, internal::RequestParser::Event::kError);
  parser.restart();
  EXPECT_EQ(parser.parse_head(with("")), internal::RequestParser::Event::kHead);
}

TEST(RequestParserHead, SaysWhatWasWrong) {
  ParserTrace run;
  run.receive("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n");
  EXPECT_EQ(run.reason(), "Content-Length is no number");
}

}  // namespace
}  // namespace leat::http
