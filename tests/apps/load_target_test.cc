#include "apps/leat/load_target.h"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leat/reactor/event_loop.h"

namespace leat::app {
namespace {

using testing::HasSubstr;

LoadTarget parsed(std::string_view text) {
  Result<LoadTarget> target = parse_load_target(text);
  EXPECT_TRUE(target) << text << ": " << (target ? "" : target.error().message());
  return target ? *target : LoadTarget{};
}

std::string complaint(std::string_view text) {
  const Result<LoadTarget> target = parse_load_target(text);
  EXPECT_FALSE(target) << text;
  return target ? "" : target.error().context();
}

TEST(LoadTarget, Http) {
  const LoadTarget target = parsed("http://127.0.0.1:8080/a/b?c=d");
  EXPECT_EQ(target.protocol, LoadTarget::Protocol::kHttp);
  EXPECT_EQ(target.address.to_string(), "127.0.0.1:8080");
  EXPECT_EQ(target.host, "127.0.0.1:8080");
  EXPECT_EQ(target.path, "/a/b?c=d");
  EXPECT_EQ(target.text, "http://127.0.0.1:8080/a/b?c=d");
}

TEST(LoadTarget, HttpFillsInPortAndPath) {
  EXPECT_EQ(parsed("http://127.0.0.1").address.port(), 80);
  EXPECT_EQ(parsed("http://127.0.0.1").path, "/");
  EXPECT_EQ(parsed("http://127.0.0.1?x").path, "/?x");
  EXPECT_EQ(parsed("http://localhost:81/#part").path, "/");
  EXPECT_EQ(parsed("http://[::1]/x").address.to_string(), "[::1]:80");
  EXPECT_EQ(parsed("http://[::1]:9/x").address.to_string(), "[::1]:9");
}

TEST(LoadTarget, HttpOverUnix) {
  const LoadTarget target = parsed("http://unix:/run/a.sock:/x/y");
  EXPECT_EQ(target.address.to_string(), "unix:/run/a.sock");
  EXPECT_EQ(target.path, "/x/y");
  EXPECT_EQ(target.host, "localhost");
  EXPECT_EQ(parsed("http://unix:/run/a.sock").path, "/");
}

TEST(LoadTarget, Echo) {
  EXPECT_EQ(parsed("tcp://127.0.0.1:7").protocol, LoadTarget::Protocol::kEcho);
  EXPECT_EQ(parsed("tcp://127.0.0.1:7").address.port(), 7);
  EXPECT_EQ(parsed("unix:/run/a").address.path(), "/run/a");
  EXPECT_TRUE(parsed("unix:@a").address.is_abstract());
}

TEST(LoadTarget, Names) {
  EXPECT_EQ(parsed("http://example.org/x").name, (HostPort{"example.org", 80}));
  EXPECT_EQ(parsed("http://example.org/x").host, "example.org");
  EXPECT_EQ(parsed("tcp://a.example:7").name, (HostPort{"a.example", 7}));
  EXPECT_EQ(parsed("tcp://127.0.0.1:7").name.host, "");
}

TEST(LoadTarget, ANameThatCannotBeReachedIsSaid) {
  const std::unique_ptr<EventLoop> loop = EventLoop::create().value();
  LoadTarget target = parsed("http://nobody.localhost:1/");
  const Result<void> found = find_address(*loop, target, std::chrono::seconds(5));
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message(), HasSubstr("nobody.localhost:1"));
}

TEST(LoadTarget, ErrorsSayWhere) {
  EXPECT_THAT(complaint(""), HasSubstr("column 1"));
  EXPECT_THAT(complaint("https://127.0.0.1/"), HasSubstr("http://, tcp:// or unix:"));
  EXPECT_THAT(complaint("http:///x"), HasSubstr("column 8: a host is missing"));
  EXPECT_THAT(complaint("http://127.0.0.1:1/a\r\nX: y"), HasSubstr("column 21"));
  EXPECT_THAT(complaint("http://127.0.0.1:1/\xc3\xa4"), HasSubstr("write %XX"));
  EXPECT_THAT(complaint("http://exa_mple..org/"), HasSubstr("exa_mple..org"));
  EXPECT_THAT(complaint("tcp://example.org:0"), HasSubstr("port 0"));
  EXPECT_THAT(complaint("tcp://example.org"), HasSubstr("tcp://example.org"));
  EXPECT_THAT(complaint("tcp://127.0.0.1:0"), HasSubstr("port 0"));
  EXPECT_THAT(complaint("tcp://127.0.0.1"), HasSubstr("tcp://127.0.0.1"));
}

}  // namespace
}  // namespace leat::app
