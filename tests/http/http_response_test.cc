#include "leat/http/http_response.h"

#include <string>

#include <gtest/gtest.h>

#include "leat/http/internal/small_text.h"

namespace leat::http {
namespace {

TEST(HttpResponse, WritesItsFieldsInOrder) {
  HttpResponse response(404);
  response.header("A", "1").header("b", "").header("A", "2");
  EXPECT_EQ(response.header_lines(), "A: 1\r\nb: \r\nA: 2\r\n");
  EXPECT_EQ(response.status(), 404);
  EXPECT_TRUE(response.is_valid());
}

TEST(HttpResponse, HasShortForms) {
  EXPECT_EQ(HttpResponse::text("x").header_lines(), "Content-Type: text/plain; charset=utf-8\r\n");
  EXPECT_EQ(HttpResponse::html("x").header_lines(), "Content-Type: text/html; charset=utf-8\r\n");
  EXPECT_EQ(HttpResponse::json("{}", 201).header_lines(), "Content-Type: application/json\r\n");
  EXPECT_EQ(HttpResponse::redirect("/a").status(), 308);
}

TEST(HttpResponse, RefusesWhatHttpDoesNotAllow) {
  for (const char* value : {"a\r\nb", "a\nb", "a\rb", "a\x01", "a\x7f"}) {
    EXPECT_FALSE(HttpResponse().header("X", value).is_valid()) << value;
  }
  EXPECT_FALSE(HttpResponse().header("X", std::string_view("a\0b", 3)).is_valid());
  for (const char* name : {"", "a b", "a:", "a\r\nb", "\xc3\xa4"}) {
    EXPECT_FALSE(HttpResponse().header(name, "x").is_valid()) << name;
  }
  for (const char* name :
       {"date", "Content-Length", "TRANSFER-ENCODING", "Connection", "keep-alive"}) {
    EXPECT_FALSE(HttpResponse().header(name, "x").is_valid()) << name;
  }
  HttpResponse response;
  response.header("Bad\n", "x").header("Good", "y");
  EXPECT_EQ(response.header_lines(), "Good: y\r\n");
  EXPECT_FALSE(response.is_valid());
}

TEST(HttpResponse, KnowsItsLength) {
  EXPECT_EQ(HttpResponse().length(), 0u);
  EXPECT_EQ(HttpResponse().body("abc").length(), 3u);
  EXPECT_EQ(HttpResponse().body(SharedBytes{nullptr, "abcd"}).length(), 4u);
  std::vector<FilePart> parts(2);
  parts[0].text = "ab";
  parts[0].length = 100;
  parts[1].text = "c";
  EXPECT_EQ(HttpResponse().body(parts).length(), 103u);
  HttpResponse promised;
  promised.content_length(7);
  EXPECT_EQ(promised.length(), 7u);
}

TEST(HttpResponse, CanBeCopied) {
  const HttpResponse prepared = HttpResponse::text(std::string(1000, 'x'));
  HttpResponse copy = prepared;
  copy.header("More", std::string(500, 'y'));
  EXPECT_EQ(prepared.header_lines().size() + 506 + 2, copy.header_lines().size());
}

TEST(SmallText, GrowsOut) {
  internal::SmallText text;
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    const std::string piece(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26));
    text.append(piece);
    expected += piece;
    ASSERT_EQ(text.view(), expected);
  }
  const internal::SmallText copy = text;
  EXPECT_EQ(copy.view(), expected);
  internal::SmallText exact;
  exact.append(std::string(internal::SmallText::kInside, 'x'));
  EXPECT_EQ(exact.view().size(), internal::SmallText::kInside);
  exact.append("y");
  EXPECT_TRUE(exact.view().ends_with("xy"));
}

}  // namespace
}  // namespace leat::http
