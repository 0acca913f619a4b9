#include "leat/http/mime_types.h"

#include <gtest/gtest.h>

namespace leat::http {
namespace {

TEST(MimeTypes, KnowsTheUsualOnes) {
  EXPECT_EQ(mime_type("index.html"), "text/html; charset=utf-8");
  EXPECT_EQ(mime_type("a/b.tar.GZ"), "application/gzip");
  EXPECT_EQ(mime_type("x.js"), "text/javascript; charset=utf-8");
  EXPECT_EQ(mime_type("x.woff2"), "font/woff2");
  EXPECT_EQ(mime_type("x.7z"), "application/x-7z-compressed");
  EXPECT_EQ(mime_type("x.zst"), "application/zstd");
}

TEST(MimeTypes, TakesTheRestForBytes) {
  for (const char* name :
       {"", "README", "a.", "a.unknown", "a.b/c", "html", "a.html.averyveryverylongextension"}) {
    EXPECT_EQ(mime_type(name), "application/octet-stream") << name;
  }
}

}  // namespace
}  // namespace leat::http
