// Line ends, request lines, names and hosts that servers in a row may read in different ways.
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
using testing::SmugglingProbe;

std::vector<Hostile> named(std::string_view name, const std::vector<std::string>& all,
                           int status = 400) {
  std::vector<Hostile> cases;
  for (const std::string& bytes : all) cases.push_back({name, bytes, status});
  return cases;
}

/// A GET with one more field line, or what passes for it.
std::vector<Hostile> fields(std::string_view name, const std::vector<std::string>& all) {
  std::vector<Hostile> cases;
  for (const std::string& line : all) {
    cases.push_back({name, "GET / HTTP/1.1\r\nHost: test\r\n" + line + "\r\n\r\n"});
  }
  return cases;
}

std::vector<Hostile> request_lines(std::string_view name, const std::vector<std::string>& all,
                                   int status = 400) {
  std::vector<Hostile> cases;
  for (const std::string& line : all) {
    cases.push_back({name, line + "\r\nHost: test\r\n\r\n", status});
  }
  return cases;
}

// RFC 9112, 2.2: a recipient may take a bare LF for a line end, so this one must not; a bare CR
// must be refused or replaced.
TEST(RequestSmuggling, LineEnds) {
  SmugglingProbe probe;
  expect_refused(probe,
                 named("line ends",
                       {
                           "GET / HTTP/1.1\nHost: test\n\n",
                           "GET / HTTP/1.1\nHost: test\r\n\r\n",
                           "GET / HTTP/1.1\r\nHost: test\n\r\n",
                           "GET / HTTP/1.1\r\nHost: test\r\n\n",
                           "GET / HTTP/1.1\r\nHost: test\n\n",
                           "GET / HTTP/1.1\rHost: test\r\r",
                           "GET / HTTP/1.1\rHost: test\r\n\r\n",
                           "GET / HTTP/1.1\r\nHost: test\r\r\n",
                           "GET / HTTP/1.1\r\nHost: test\r\r\n\r\n",
                           "GET / HTTP/1.1\r\nHost: test\r\n\r\r\n",
                           "GET / HTTP/1.1\r\nHost: test\r\n\rX",
                           "GET / HTTP/1.1\r\nHost: test\r\nX: y\r\n\rZ: y\r\n\r\n",
                           "GET / HTTP/1.1\r\nHost: test\n\rX: y\r\n\r\n",
                           "GET / HTTP/1.1\r\r\nHost: test\r\n\r\n",
                           "GET / HTTP/1.1\n\rHost: test\r\n\r\n",
                           "GET / HTTP/1.1\r\nX: y\rHost: test\r\n\r\n",
                           "GET / HTTP/1.1\r\nX: y\nHost: test\r\n\r\n",
                           "\nGET / HTTP/1.1\r\nHost: test\r\n\r\n",
                           "\rGET / HTTP/1.1\r\nHost: test\r\n\r\n",
                           "\r\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n",
                           "\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n",
                           "\r\n\nGET / HTTP/1.1\r\nHost: test\r\n\r\n",
                       }),
                 true);
  // Empty lines before a request are to be ignored.
  expect_served(probe,
                named("empty lines", {"\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n",
                                      "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n",
                                      "GET / HTTP/1.1\r\nHost: test\r\n\r\n\r\n\r\n"}),
                "GET / host=test body=");
}

// RFC 9112, 5.1 and 5.2; RFC 9110, 5.5 and 5.6.2.
TEST(RequestSmuggling, FieldLines) {
  SmugglingProbe probe;
  expect_refused(probe,
                 fields("folded", {"X: a\r\n b", "X: a\r\n\tb", "X:\r\n b", "X: a\r\n ",
                                   "X: a\r\n \r\n b", " X: a", "\tX: a", "X\r\n : a"}),
                 true);
  expect_refused(probe, fields("bad name", {"X : a",    "X\t: a", "X\0: a"s, "X\x0b: a", ": a",
                                            ":",        "X",      "X Y: a",  "X\x01: a", "X\x7f: a",
                                            "X\x80: a", "X\r: a", "\0X: a"s, "X/Y: a",   "X[]: a",
                                            "{X}: a",   "X@Y: a", "X=Y: a",  "X;Y: a",   "X,Y: a"}),
                 true);
  std::vector<std::string> values;
  for (int c = 0; c < 0x20; ++c) {
    if (c != '\t') values.push_back("X: a" + std::string(1, static_cast<char>(c)) + "b");
  }
  values.emplace_back("X: a\x7f");
  values.emplace_back("X: \0"s);
  expect_refused(probe, fields("control character in a value", values), true);
  // RFC 9112, 2.2: whitespace between the start-line and the first header field.
  expect_refused(
      probe,
      named("space before the first field",
            {"GET / HTTP/1.1\r\n Host: test\r\n\r\n", "GET / HTTP/1.1\r\n\tHost: test\r\n\r\n",
             "GET / HTTP/1.1\r\n X: y\r\nHost: test\r\n\r\n",
             "GET / HTTP/1.1\r\n \r\nHost: test\r\n\r\n",
             "GET / HTTP/1.1\r\n\x0bHost: test\r\n\r\n"}),
      true);
}

// RFC 9112, 3: single spaces and nothing else; lenient readers take tabs, CR and others too.
TEST(RequestSmuggling, RequestLines) {
  SmugglingProbe probe;
  expect_refused(
      probe,
      request_lines(
          "white space",
          {"GET  / HTTP/1.1",    "GET /  HTTP/1.1",         "GET / HTTP/1.1 ",
           " GET / HTTP/1.1",    "\tGET / HTTP/1.1",        "GET\t/ HTTP/1.1",
           "GET /\tHTTP/1.1",    "GET / HTTP/1.1\t",        "GET\x0b/ HTTP/1.1",
           "GET /\x0bHTTP/1.1",  "GET /\rHTTP/1.1",         "GET /\x0cHTTP/1.1",
           "GET /a b HTTP/1.1",  "GET / HTTP/1.1 HTTP/1.1", "GET / HTTP /1.1",
           "GET / HTTP/ 1.1",    "GET / HTTP/1. 1",         "GET /smuggled HTTP/1.1 / HTTP/1.1",
           "GET / HTTP/1.1\0"s,  "GET /\0 HTTP/1.1"s,       "GET\0/ HTTP/1.1"s,
           "GET /\xa0HTTP/1.1",  "GET /\x80 HTTP/1.1",      "GET /#x HTTP/1.1",
           "GET /\r\n HTTP/1.1", "GET\r\n / HTTP/1.1"}),
      true);
  expect_refused(
      probe,
      request_lines("version", {"GET / HTTP/1.10", "GET / HTTP/11", "GET / HTTP/1", "GET / HTTP/1.",
                                "GET / HTTP/.1", "GET / HTTP/01.1", "GET / HTTP/1.1.1",
                                "GET / http/1.1", "GET / HTTPS/1.1", "GET / HTTP/+1.1",
                                "GET / HTTP/1.-1", "GET / HTTP1.1", "GET /", "GET / ", "GET",
                                "GET / RTSP/1.0", "GET / ICE/1.0", "GET / HTTP/x.y"}),
      true);
  expect_refused(
      probe,
      request_lines("version",
                    {"GET / HTTP/2.0", "GET / HTTP/0.9", "GET / HTTP/1.2", "GET / HTTP/9.9"}, 505),
      true);
  expect_refused(
      probe,
      request_lines("method",
                    {"get / HTTP/1.1", "GETX / HTTP/1.1", "XGET / HTTP/1.1", "G-ET / HTTP/1.1",
                     "CONNECT / HTTP/1.1", "CONNECT test:80 HTTP/1.1"},
                    501),
      true);
}

// HTTP/0.9 has no framing, HTTP/2 another one (RFC 9113, 3.3); both would eat what follows.
TEST(RequestSmuggling, OtherProtocols) {
  SmugglingProbe probe;
  expect_refused(probe,
                 named("HTTP/0.9", {"GET /\r\n", "GET / \r\n", "GET /\n", "GET /\r\n\r\n",
                                    "GET /\r", "GET\r\n", "GET /smuggled\r\n"}),
                 true);
  expect_refused(probe, named("HTTP/2", {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}, 505), true);
  expect_refused(probe,
                 named("other protocols", {"PRI / HTTP/1.1\r\nHost: test\r\n\r\n",
                                           "PRI * HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01"s,
                                           "\0\0\0"s, "PRI * HTTP/2.0\r\nHost: test\r\n\r\n"}),
                 true);
  expect_refused(
      probe,
      named("no method of HTTP",
            {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
             "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n"},
            501),
      true);
}

// RFC 9112, 3.2: 400 if there is no Host, more than one, or one that is none.
TEST(RequestSmuggling, Hosts) {
  SmugglingProbe probe;
  std::vector<Hostile> cases;
  for (const std::string& lines : {""s,
                                   "Host: test\r\nHost: test\r\n"s,
                                   "Host: test\r\nHost: evil\r\n"s,
                                   "Host: test\r\nhOST: evil\r\n"s,
                                   "Host: test\r\nHost:\r\n"s,
                                   "Host:\r\nHost: test\r\n"s,
                                   "Host: test evil\r\n"s,
                                   "Host: test\tevil\r\n"s,
                                   "Host: test/evil\r\n"s,
                                   "Host: test?evil\r\n"s,
                                   "Host: test#evil\r\n"s,
                                   "Host: test@evil\r\n"s,
                                   "Host: test:80:90\r\n"s,
                                   "Host: test:evil\r\n"s,
                                   "Host: test:80@evil\r\n"s,
                                   "Host: :80\r\n"s,
                                   "Host: test:-1\r\n"s,
                                   "Host: http://test\r\n"s,
                                   "Host: \"test\"\r\n"s,
                                   "Host: test\\evil\r\n"s,
                                   "Host: [::1\r\n"s,
                                   "Host: ::1\r\n"s,
                                   "Host: [::1]evil\r\n"s,
                                   "Host : test\r\n"s,
                                   " Host: test\r\n"s,
                                   "Host: test\r\n Host: evil\r\n"s,
                                   "Host: test\r\n evil\r\n"s,
                                   "Host:\r\n test\r\n"s,
                                   "Host\0: test\r\n"s,
                                   "Host: test\0evil\r\n"s,
                                   "Host: test\x80\r\n"s,
                                   "X-Host: test\r\n"s,
                                   "Host test\r\n"s}) {
    cases.push_back({"Host", "GET / HTTP/1.1\r\n" + lines + "\r\n"});
    // 3.2.2: an absolute target does not excuse from Host.
    cases.push_back({"Host beside a URI", "GET http://test/ HTTP/1.1\r\n" + lines + "\r\n"});
  }
  cases.push_back({"HTTP/1.0", "GET / HTTP/1.0\r\nHost: test\r\nHost: evil\r\n\r\n"});
  for (const std::string& target :
       {"http://"s, "http:///"s, "http:/test/"s, "http:test"s, "http://test@evil/"s,
        "http://test:x/"s, "http://te st/"s, "http://test\\@evil/"s, "http://test#@evil/"s,
        "ftp://test/"s, "test/"s, "test:80"s, "*"s, "http://[::1/"s, "?"s, "http://:80/"s}) {
    cases.push_back({"target", "GET " + target + " HTTP/1.1\r\nHost: test\r\n\r\n"});
  }
  expect_refused(probe, cases, true);
}

// RFC 9112, 3.2.2: an origin server must ignore Host and use what the URI says.
TEST(RequestSmuggling, TheHostOfAnAbsoluteTargetCounts) {
  SmugglingProbe probe;
  expect_served(probe,
                named("absolute", {"GET http://test/ HTTP/1.1\r\nHost: evil\r\n\r\n",
                                   "GET HTTP://test/ HTTP/1.1\r\nHost:\r\n\r\n",
                                   "GET https://test/ HTTP/1.1\r\nHost: evil:80\r\n\r\n"}),
                "GET / host=test body=");
}

}  // namespace
}  // namespace leat::http
