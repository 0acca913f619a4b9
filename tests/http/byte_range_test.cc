#include "leat/http/internal/byte_range.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace leat::http::internal {
namespace {

using ::testing::ElementsAre;

constexpr std::size_t kMaxRanges = 4;

std::vector<ByteRange> parts(std::string_view field, std::uint64_t size) {
  const RangeRequest request = parse_range(field, size, kMaxRanges);
  EXPECT_EQ(request.verdict, RangeVerdict::kParts) << field;
  return request.parts;
}

RangeVerdict verdict(std::string_view field, std::uint64_t size) {
  return parse_range(field, size, kMaxRanges).verdict;
}

TEST(ByteRange, ReadsTheExamplesOfRfc9110) {
  EXPECT_THAT(parts("bytes=0-499", 10000), ElementsAre(ByteRange{0, 500}));
  EXPECT_THAT(parts("bytes=500-999", 10000), ElementsAre(ByteRange{500, 500}));
  EXPECT_THAT(parts("bytes=-500", 10000), ElementsAre(ByteRange{9500, 500}));
  EXPECT_THAT(parts("bytes=9500-", 10000), ElementsAre(ByteRange{9500, 500}));
  EXPECT_THAT(parts("bytes=0-0,-1", 10000), ElementsAre(ByteRange{0, 1}, ByteRange{9999, 1}));
  EXPECT_THAT(parts("bytes= 0-999, 4500-5499, -1000", 10000),
              ElementsAre(ByteRange{0, 1000}, ByteRange{4500, 1000}, ByteRange{9000, 1000}));
  EXPECT_THAT(parts("bytes=500-600,601-999", 10000), ElementsAre(ByteRange{500, 500}));
  EXPECT_THAT(parts("bytes=500-700,601-999", 10000), ElementsAre(ByteRange{500, 500}));
}

TEST(ByteRange, CutsAtTheEnd) {
  EXPECT_THAT(parts("bytes=90-200", 100), ElementsAre(ByteRange{90, 10}));
  EXPECT_THAT(parts("bytes=-200", 100), ElementsAre(ByteRange{0, 100}));
  EXPECT_THAT(parts("bytes=99-18446744073709551615", 100), ElementsAre(ByteRange{99, 1}));
}

TEST(ByteRange, LeavesOutWhatLiesBehindTheEnd) {
  EXPECT_THAT(parts("bytes=100-200,0-1", 100), ElementsAre(ByteRange{0, 2}));
  EXPECT_EQ(verdict("bytes=100-", 100), RangeVerdict::kUnsatisfiable);
  EXPECT_EQ(verdict("bytes=-0", 100), RangeVerdict::kUnsatisfiable);
  EXPECT_EQ(verdict("bytes=0-", 0), RangeVerdict::kUnsatisfiable);
  EXPECT_EQ(verdict("bytes=-5", 0), RangeVerdict::kUnsatisfiable);
}

TEST(ByteRange, KeepsTheOrderUnlessPartsAreJoined) {
  EXPECT_THAT(parts("bytes=5000-5009,0-9", 10000),
              ElementsAre(ByteRange{5000, 10}, ByteRange{0, 10}));
  EXPECT_THAT(parts("bytes=5000-5009,20-29,0-9", 10000),
              ElementsAre(ByteRange{0, 30}, ByteRange{5000, 10}));
  EXPECT_THAT(parts("bytes=0-99,10-19", 10000), ElementsAre(ByteRange{0, 100}));
}

TEST(ByteRange, IgnoresWhatItNeedNotUnderstand) {
  for (const char* field :
       {"", "bytes", "bytes=", "bytes=,", "lines=0-1", "bytes=1-0", "bytes=a-b", "bytes=0-1x",
        "bytes=--1", "bytes=-", "bytes=0", "bytes=0 -1", "bytes=+0-1", "0-1", "bytes=0-1,x",
        "bytes=0-18446744073709551616", "bytes=0-0,200-201,400-401,600-601,800-801"}) {
    EXPECT_EQ(verdict(field, 10000), RangeVerdict::kWhole) << field;
  }
  EXPECT_EQ(verdict("BYTES=0-1", 10000), RangeVerdict::kParts);
}

TEST(ByteRange, WritesContentRange) {
  EXPECT_EQ(content_range({500, 500}, 1234), "bytes 500-999/1234");
  EXPECT_EQ(unsatisfied_range(1234), "bytes */1234");
}

}  // namespace
}  // namespace leat::http::internal
