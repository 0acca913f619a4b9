#include "leat/http/internal/file_path.h"

#include <gtest/gtest.h>

namespace leat::http::internal {
namespace {

std::string relative(std::string_view url) {
  const FilePath path = to_file_path(url);
  EXPECT_EQ(path.problem, PathProblem::kNone) << url;
  return path.relative;
}

TEST(FilePath, DecodesOnce) {
  EXPECT_EQ(relative("/a/b.txt"), "a/b.txt");
  EXPECT_EQ(relative("/a%20%C3%a4"), "a \xc3\xa4");
  EXPECT_EQ(relative("/%2541"), "%41");
}

TEST(FilePath, TheRootIsADot) {
  EXPECT_EQ(relative("/"), ".");
  EXPECT_TRUE(to_file_path("/").is_directory);
  EXPECT_EQ(relative("/a/.."), ".");
}

TEST(FilePath, RemovesDotAndEmptySegments) {
  EXPECT_EQ(relative("//a///b"), "a/b");
  EXPECT_EQ(relative("/a/./b/../c"), "a/c");
  EXPECT_EQ(relative("/a/%2e/b/%2E%2e/c"), "a/c");
  EXPECT_EQ(relative("/a/..."), "a/...");
}

TEST(FilePath, SaysWhatMeansADirectory) {
  for (const char* url : {"/a/", "/a/.", "/a/..", "/a//"}) {
    EXPECT_TRUE(to_file_path(url).is_directory) << url;
  }
  EXPECT_FALSE(to_file_path("/a").is_directory);
  EXPECT_FALSE(to_file_path("/a/../b").is_directory);
}

TEST(FilePath, SaysWhatIsHidden) {
  for (const char* url : {"/.git/config", "/a/.htaccess", "/%2egit", "/..."}) {
    EXPECT_TRUE(to_file_path(url).is_hidden) << url;
  }
  EXPECT_FALSE(to_file_path("/a/./b/../c.d").is_hidden);
}

TEST(FilePath, RefusesAttacks) {
  const auto problem = [](std::string_view url) { return to_file_path(url).problem; };
  for (const char* url : {"/..", "/../etc/passwd", "/a/../../b", "/%2e%2e/x", "/.%2E/x"}) {
    EXPECT_EQ(problem(url), PathProblem::kAboveRoot) << url;
  }
  EXPECT_EQ(problem("/a%00.html"), PathProblem::kNul);
  EXPECT_EQ(problem("/a%2Fb"), PathProblem::kSlash);
  EXPECT_EQ(problem("/..%2f..%2fetc"), PathProblem::kSlash);
  for (const char* url : {"/%", "/a%2", "/%g0", "/%0g", "/%/x", "/%2/1"}) {
    EXPECT_EQ(problem(url), PathProblem::kBrokenEscape) << url;
  }
}

TEST(FilePath, EncodesForLinks) {
  std::string out;
  append_percent_encoded(out, "a b/\"\xc3\xa4~-._%");
  EXPECT_EQ(out, "a%20b%2F%22%C3%A4~-._%25");
}

TEST(FilePath, EscapesHtml) {
  std::string out;
  append_html_escaped(out, "<a href=\"x\">'&amp;'</a>");
  EXPECT_EQ(out, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;&#39;&lt;/a&gt;");
}

}  // namespace
}  // namespace leat::http::internal
