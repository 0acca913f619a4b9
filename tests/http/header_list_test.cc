#include "leat/http/header_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leat/http/http_method.h"
#include "leat/http/http_status.h"

#include "support/header_fields.h"

namespace leat::http {
namespace {

using testing::HeaderFields;

TEST(HeaderList, FindsTheFirstInAnyCase) {
  const HeaderFields fields{{"Accept", "a"}, {"X-One", "1"}, {"x-one", "2"}};
  const HeaderList list = fields.list();
  EXPECT_EQ(list.find("X-ONE"), "1");
  EXPECT_EQ(list.count("x-ONE"), 2u);
  EXPECT_FALSE(list.find("X-On"));
  EXPECT_EQ(list.size(), 3u);
}

TEST(HeaderList, KeepsTheOrder) {
  const HeaderFields fields{{"B", "1"}, {"A", ""}, {"B", "3"}};
  std::string seen;
  const HeaderList list = fields.list();
  for (auto i = list.begin(); i != list.end(); i++) {
    seen.append((*i).name).append("=").append((*i).value).append(";");
  }
  EXPECT_EQ(seen, "B=1;A=;B=3;");
}

TEST(HeaderList, MayBeEmpty) {
  const HeaderList none;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.begin(), none.end());
  EXPECT_FALSE(none.find("a"));
}

TEST(HttpMethod, HasNames) {
  EXPECT_EQ(to_string(HttpMethod::kGet), "GET");
  EXPECT_EQ(to_string(HttpMethod::kPatch), "PATCH");
  EXPECT_EQ(to_string(HttpMethod::kOther), "OTHER");
}

TEST(HttpStatus, HasPhrases) {
  EXPECT_EQ(reason_phrase(200), "OK");
  EXPECT_EQ(reason_phrase(404), "Not Found");
  EXPECT_EQ(reason_phrase(431), "Request Header Fields Too Large");
  EXPECT_EQ(reason_phrase(299), "");
  int known = 0;
  for (int status = 100; status < 600; ++status) known += reason_phrase(status).empty() ? 0 : 1;
  EXPECT_EQ(known, 48);
}

TEST(HttpStatus, SaysWhichHaveNoContent) {
  for (const int status : {100, 101, 199, 204, 304}) EXPECT_TRUE(status_forbids_content(status));
  for (const int status : {200, 205, 206, 404, 500}) EXPECT_FALSE(status_forbids_content(status));
}

}  // namespace
}  // namespace leat::http
