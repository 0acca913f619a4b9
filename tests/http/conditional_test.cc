#include "leat/http/internal/conditional.h"

#include <chrono>

#include <gtest/gtest.h>

#include "support/header_fields.h"

namespace leat::http::internal {
namespace {

using ::leat::http::testing::HeaderFields;

const Timestamp kModified = Timestamp::from_time_t(784111777);  // Sun, 06 Nov 1994 08:49:37 GMT
const Timestamp kNow = kModified + std::chrono::hours(1);
constexpr const char* kBefore = "Sun, 06 Nov 1994 08:49:36 GMT";
constexpr const char* kSame = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr const char* kAfter = "Sun, 06 Nov 1994 08:49:38 GMT";
const Validators kFile{"\"v1\"", kModified};

Precondition check(const HeaderFields& fields, HttpMethod method = HttpMethod::kGet) {
  return check_preconditions(fields.list(), method, kFile, kNow);
}

TEST(Conditional, WithoutConditionsServes) {
  EXPECT_EQ(check({}), Precondition::kServe);
}

TEST(Conditional, EtagLists) {
  EXPECT_TRUE(etag_list_matches("*", "\"a\"", false));
  EXPECT_TRUE(etag_list_matches(" \"x\" , \"a\"", "\"a\"", false));
  EXPECT_TRUE(etag_list_matches("\"x,\\\",\"a\"", "\"a\"", false));
  EXPECT_FALSE(etag_list_matches("W/\"a\"", "\"a\"", false));
  EXPECT_TRUE(etag_list_matches("W/\"a\"", "\"a\"", true));
  EXPECT_TRUE(etag_list_matches("\"x\",W/\"a\"", "\"a\"", true));
  EXPECT_FALSE(etag_list_matches("\"aa\"", "\"a\"", true));
  EXPECT_FALSE(etag_list_matches("a", "\"a\"", true));
  EXPECT_FALSE(etag_list_matches("\"a", "\"a\"", true));
  EXPECT_FALSE(etag_list_matches("", "\"a\"", true));
}

TEST(Conditional, IfMatchIsStrong) {
  EXPECT_EQ(check({{"If-Match", "\"v0\", \"v1\""}}), Precondition::kServe);
  EXPECT_EQ(check({{"If-Match", "*"}}), Precondition::kServe);
  EXPECT_EQ(check({{"If-Match", "\"v0\""}}), Precondition::kFailed);
  EXPECT_EQ(check({{"If-Match", "W/\"v1\""}}), Precondition::kFailed);
  EXPECT_EQ(check({{"If-Match", "\"v0\""}, {"if-match", "\"v1\""}}), Precondition::kServe);
}

TEST(Conditional, IfUnmodifiedSinceCountsWithoutIfMatchOnly) {
  EXPECT_EQ(check({{"If-Unmodified-Since", kBefore}}), Precondition::kFailed);
  EXPECT_EQ(check({{"If-Unmodified-Since", kSame}}), Precondition::kServe);
  EXPECT_EQ(check({{"If-Unmodified-Since", kAfter}}), Precondition::kServe);
  EXPECT_EQ(check({{"If-Unmodified-Since", "yesterday"}}), Precondition::kServe);
  EXPECT_EQ(check({{"If-Match", "\"v1\""}, {"If-Unmodified-Since", kBefore}}),
            Precondition::kServe);
}

TEST(Conditional, IfNoneMatchIsWeak) {
  EXPECT_EQ(check({{"If-None-Match", "W/\"v1\""}}), Precondition::kNotModified);
  EXPECT_EQ(check({{"If-None-Match", "*"}}), Precondition::kNotModified);
  EXPECT_EQ(check({{"If-None-Match", "\"v0\""}}), Precondition::kServe);
  EXPECT_EQ(check({{"If-None-Match", "\"v1\""}}, HttpMethod::kHead), Precondition::kNotModified);
  EXPECT_EQ(check({{"If-None-Match", "\"v1\""}}, HttpMethod::kPut), Precondition::kFailed);
}

TEST(Conditional, IfModifiedSinceCountsWithoutIfNoneMatchOnly) {
  EXPECT_EQ(check({{"If-Modified-Since", kBefore}}), Precondition::kServe);
  EXPECT_EQ(check({{"If-Modified-Since", kSame}}), Precondition::kNotModified);
  EXPECT_EQ(check({{"If-Modified-Since", kAfter}}), Precondition::kNotModified);
  EXPECT_EQ(check({{"If-Modified-Since", "0"}}), Precondition::kServe);
  EXPECT_EQ(check({{"If-Modified-Since", kAfter}}, HttpMethod::kPut), Precondition::kServe);
  EXPECT_EQ(check({{"If-None-Match", "\"v0\""}, {"If-Modified-Since", kAfter}}),
            Precondition::kServe);
  EXPECT_EQ(check({{"If-Modified-Since", kAfter}, {"If-Modified-Since", kAfter}}),
            Precondition::kServe);
}

TEST(Conditional, TheOrderIsThatOfRfc9110) {
  EXPECT_EQ(check({{"If-None-Match", "\"v1\""}, {"If-Match", "\"v0\""}}), Precondition::kFailed);
  EXPECT_EQ(check({{"If-None-Match", "\"v1\""}, {"If-Unmodified-Since", kBefore}}),
            Precondition::kFailed);
  EXPECT_EQ(check({{"If-Match", "\"v1\""}, {"If-None-Match", "\"v1\""}}),
            Precondition::kNotModified);
}

TEST(Conditional, IfRange) {
  const auto allows = [](const HeaderFields& fields, Timestamp now = kNow) {
    return if_range_allows(fields.list(), kFile, now);
  };
  EXPECT_TRUE(allows({}));
  EXPECT_TRUE(allows({{"If-Range", "\"v1\""}}));
  EXPECT_FALSE(allows({{"If-Range", "\"v0\""}}));
  EXPECT_FALSE(allows({{"If-Range", "W/\"v1\""}}));
  EXPECT_TRUE(allows({{"If-Range", kSame}}));
  EXPECT_FALSE(allows({{"If-Range", kAfter}}));
  EXPECT_FALSE(allows({{"If-Range", kBefore}}));
  EXPECT_FALSE(allows({{"If-Range", "never"}}));
  EXPECT_FALSE(allows({{"If-Range", "\"v1\""}, {"If-Range", "\"v1\""}}));
  // Within the same second the file could have changed again: the date is weak.
  EXPECT_FALSE(allows({{"If-Range", kSame}}, kModified));
}

}  // namespace
}  // namespace leat::http::internal
