#include "leat/http/internal/request_target.h"

#include <string>

#include <gtest/gtest.h>

namespace leat::http::internal {
namespace {

TEST(RequestTarget, OriginForm) {
  const auto target = parse_request_target("/a%20b/c?x=1&y=[2]?", false);
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/a%20b/c");
  EXPECT_EQ(target->query, "x=1&y=[2]?");
  EXPECT_EQ(target->authority, "");
}

TEST(RequestTarget, AbsoluteForm) {
  const auto target = parse_request_target("HTTP://Example.org:8080/x?y", false);
  ASSERT_TRUE(target);
  EXPECT_EQ(target->authority, "Example.org:8080");
  EXPECT_EQ(target->path, "/x");
  EXPECT_EQ(target->query, "y");
  const auto secure = parse_request_target("https://[::1]?q", false);
  ASSERT_TRUE(secure);
  EXPECT_EQ(secure->authority, "[::1]");
  EXPECT_EQ(secure->path, "");
  EXPECT_EQ(secure->query, "q");
}

TEST(RequestTarget, AsteriskIsForOptionsOnly) {
  EXPECT_TRUE(parse_request_target("*", true));
  EXPECT_FALSE(parse_request_target("*", false));
  EXPECT_FALSE(parse_request_target("*x", true));
}

TEST(RequestTarget, RefusesWhatIsNone) {
  for (const char* bad :
       {"", "a", "a/b", "?x", "//\x80", "/a b", "/a#f", "/\"", "/<a>", "/\t", "/\x7f", "ftp://h/",
        "http://", "http:///a", "http://u@h/", "http://h:x/", "http:/h/", "example.org:80"}) {
    EXPECT_FALSE(parse_request_target(bad, false)) << bad;
  }
  EXPECT_FALSE(parse_request_target(std::string_view("/\0", 2), false));
}

TEST(RequestTarget, Hosts) {
  for (const char* good :
       {"", "a", "a.b-c_d~e:80", "127.0.0.1", "[::1]", "[fe80::1]:8080", "a:", "%41", "[v1.x:y]"}) {
    EXPECT_TRUE(is_host(good)) << good;
  }
  for (const char* bad : {"a b", "a/b", "a@b", "a:b", "a:1:2", ":80", "a:123456", "[", "[]", "[:",
                          "[::1", "[::1]x", "[::1]:x", "[a b]", "a?", "a#", "\xc3\xa4", "a\"b"}) {
    EXPECT_FALSE(is_host(bad)) << bad;
  }
}

}  // namespace
}  // namespace leat::http::internal
