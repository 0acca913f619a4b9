#include "leat/http/internal/text.h"

#include <gtest/gtest.h>

namespace leat::http::internal {
namespace {

TEST(HttpText, TokenCharactersAreThoseOfRfc9110) {
  int count = 0;
  for (int c = 0; c < 256; ++c) count += is_token_char(static_cast<char>(c)) ? 1 : 0;
  EXPECT_EQ(count, 10 + 26 + 26 + 15);
  for (const char c : std::string_view("\"(),/:;<=>?@[\\]{} \t\r\n")) {
    EXPECT_FALSE(is_token_char(c)) << c;
  }
  EXPECT_TRUE(is_token("a-B_9!"));
  EXPECT_FALSE(is_token(""));
  EXPECT_FALSE(is_token("a b"));
}

TEST(HttpText, FieldValuesHaveNoControlCharactersButTab) {
  EXPECT_TRUE(is_field_value(""));
  EXPECT_TRUE(is_field_value("a\tb c \xc3\xa4"));
  for (const char c : {'\r', '\n', '\0', '\x01', '\x1f', '\x7f'}) {
    EXPECT_FALSE(is_field_value(std::string("a") + c + "b")) << static_cast<int>(c);
  }
}

TEST(HttpText, ComparesWithoutCase) {
  EXPECT_TRUE(equal_ignoring_case("Host", "hOST"));
  EXPECT_FALSE(equal_ignoring_case("Host", "Hos"));
  EXPECT_FALSE(equal_ignoring_case("[", "{"));  // they differ in bit 5, as letters' cases do
}

TEST(HttpText, ComparesEveryByteAtEveryPlaceAsAlone) {
  for (std::size_t size = 1; size <= 20; ++size) {
    for (std::size_t place = 0; place < size; ++place) {
      std::string a(size, 'z');  // the last letter: beside it a carry would show
      std::string b(size, 'Z');
      for (int x = 0; x < 256; ++x) {
        a[place] = static_cast<char>(x);
        for (int y = 0; y < 256; ++y) {
          b[place] = static_cast<char>(y);
          ASSERT_EQ(equal_ignoring_case(a, b), to_lower(a[place]) == to_lower(b[place]))
              << "bytes " << x << " and " << y << " at " << place << " of " << size;
        }
      }
    }
  }
}

TEST(HttpText, TrimsSpaceAndTabOnly) {
  EXPECT_EQ(trim(" \t a b \t"), "a b");
  EXPECT_EQ(trim(" \t "), "");
  EXPECT_EQ(trim("\ra\n"), "\ra\n");
}

TEST(HttpText, DecimalNumbersAreDigitsOnly) {
  EXPECT_EQ(parse_decimal("0"), 0u);
  EXPECT_EQ(parse_decimal("0018446744073709551615"), 18446744073709551615u);
  for (const char* bad : {"", "-0", "+1", " 1", "1 ", "0x1", "18446744073709551616"}) {
    EXPECT_FALSE(parse_decimal(bad)) << bad;
  }
}

TEST(HttpText, HexValues) {
  EXPECT_EQ(hex_value('0'), 0);
  EXPECT_EQ(hex_value('9'), 9);
  EXPECT_EQ(hex_value('a'), 10);
  EXPECT_EQ(hex_value('F'), 15);
  EXPECT_EQ(hex_value('g'), -1);
  EXPECT_EQ(hex_value('G'), -1);
  EXPECT_EQ(hex_value('`'), -1);
}

TEST(HttpText, ListsSkipEmptyElementsAndKeepQuotedCommas) {
  std::string_view list = " a ,, \"b,\\\",c\" ,\t,d";
  EXPECT_EQ(next_list_element(list), "a");
  EXPECT_EQ(next_list_element(list), "\"b,\\\",c\"");
  EXPECT_EQ(next_list_element(list), "d");
  EXPECT_FALSE(next_list_element(list));
  std::string_view open = "\"a, b\\";
  EXPECT_EQ(next_list_element(open), "\"a, b\\");
  EXPECT_FALSE(next_list_element(open));
}

}  // namespace
}  // namespace leat::http::internal
