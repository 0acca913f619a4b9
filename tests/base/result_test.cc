#include "leat/base/result.h"

#include <memory>
#include <string>
#include <type_traits>

#include <gtest/gtest.h>

namespace leat {
namespace {

Error port_in_use() {
  return Error::from_errno(EADDRINUSE, "bind 127.0.0.1:80");
}

TEST(Error, CarriesTheErrnoValueAndASentence) {
  const Error error = port_in_use();
  EXPECT_EQ(error.number(), EADDRINUSE);
  EXPECT_EQ(error.code(), std::errc::address_in_use);
  EXPECT_EQ(error.context(), "bind 127.0.0.1:80");
  EXPECT_EQ(error.message(), "bind 127.0.0.1:80: Address already in use");
}

TEST(Error, InvalidArgumentIsEinval) {
  const Error error = Error::invalid_argument("port 99999");
  EXPECT_EQ(error.number(), EINVAL);
  EXPECT_EQ(error.message(), "port 99999: Invalid argument");
}

TEST(Result, HoldsAValue) {
  Result<std::string> result = std::string("leat");
  ASSERT_TRUE(result);
  EXPECT_TRUE(result.has_value());
  EXPECT_EQ(*result, "leat");
  EXPECT_EQ(result->size(), 4u);
  result->append("!");
  result.value() += "!";
  const Result<std::string>& same = result;
  EXPECT_EQ(same.value(), "leat!!");
  EXPECT_EQ(*same, "leat!!");
  EXPECT_EQ(same->size(), 6u);
}

TEST(Result, HoldsAnError) {
  const Result<std::string> result = port_in_use();
  EXPECT_FALSE(result);
  EXPECT_FALSE(result.has_value());
  EXPECT_EQ(result.error().number(), EADDRINUSE);
}

TEST(Result, MovesItsContentsOut) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 7);
  EXPECT_EQ(*Result<std::unique_ptr<int>>(std::make_unique<int>(8)).value(), 8);
  EXPECT_EQ(Result<int>(port_in_use()).error().context(), "bind 127.0.0.1:80");
  EXPECT_EQ(Result<void>(port_in_use()).error().context(), "bind 127.0.0.1:80");
}

TEST(Result, ValueOrTakesTheFallbackOnlyForAnError) {
  const Result<std::string> good = std::string("value");
  const Result<std::string> bad = port_in_use();
  EXPECT_EQ(good.value_or("fallback"), "value");
  EXPECT_EQ(bad.value_or("fallback"), "fallback");
  EXPECT_EQ(Result<std::string>("value").value_or("fallback"), "value");
  EXPECT_EQ(Result<std::string>(port_in_use()).value_or("fallback"), "fallback");
}

TEST(Result, OfVoidIsSuccessOrAnError) {
  const Result<void> good;
  EXPECT_TRUE(good);
  good.value();
  const Result<void> bad = port_in_use();
  EXPECT_FALSE(bad);
  EXPECT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().number(), EADDRINUSE);
}

TEST(ResultDeathTest, TakingAValueThatIsNotThereEndsWithTheErrorsMessage) {
  const Result<int> bad = port_in_use();
  const Result<void> bad_void = port_in_use();
  EXPECT_DEATH(static_cast<void>(bad.value()), "leat: bind 127.0.0.1:80: Address already in use");
  EXPECT_DEATH(static_cast<void>(*bad), "leat: bind 127.0.0.1:80: Address already in use");
  EXPECT_DEATH(bad_void.value(), "leat: bind 127.0.0.1:80: Address already in use");
}

#if defined(LEAT_ASSERTIONS) && LEAT_ASSERTIONS
TEST(ResultDeathTest, TheErrorOfASuccessIsABrokenPrecondition) {
  const Result<int> good = 1;
  const Result<void> good_void;
  EXPECT_DEATH(static_cast<void>(good.error()), "holds a value");
  EXPECT_DEATH(static_cast<void>(good_void.error()), "holds success");
}
#endif

}  // namespace
}  // namespace leat
