#include "leat/steering/session_choice.h"

#include <vector>

#include <gtest/gtest.h>

namespace leat::steering {
namespace {

using Payload = std::vector<std::uint8_t>;
using Ids = std::vector<std::uint64_t>;

TEST(SessionIdField, ReadsABigEndianNumber) {
  const Payload payload = {0x40, 0x12, 0x34, 0x56, 1, 2, 3, 4, 5};
  EXPECT_EQ((SessionIdField{1, 2}.read(payload)), 0x1234u);
  EXPECT_EQ((SessionIdField{1, 8}.read(payload)), 0x1234560102030405u);
  EXPECT_EQ((SessionIdField{8, 1}.read(payload)), 5u);
}

TEST(SessionIdField, DoesNotReadBehindThePayload) {
  const Payload payload = {1, 2, 3};
  EXPECT_EQ((SessionIdField{2, 2}.read(payload)), std::nullopt);
  EXPECT_EQ((SessionIdField{3, 1}.read(payload)), std::nullopt);
  EXPECT_EQ((SessionIdField{~std::size_t{0}, 1}.read(payload)), std::nullopt);
  EXPECT_EQ((SessionIdField{0, 4}.read(payload)), std::nullopt);
  EXPECT_EQ((SessionIdField{0, 1}.read({})), std::nullopt);
}

TEST(SessionChoice, FindsTheMemberWhoseIdIsThere) {
  const auto choice = *SessionChoice::create({1, 2}, Ids{700, 3, 0xffff});
  EXPECT_EQ(choice.choose(Payload{9, 0, 3}), 1u);
  EXPECT_EQ(choice.choose(Payload{9, 700 / 256, 700 % 256}), 0u);
  EXPECT_EQ(choice.choose(Payload{9, 0xff, 0xff, 1}), 2u);
  EXPECT_EQ(choice.choose(Payload{9, 0, 4}), std::nullopt) << "nobody's id";
  EXPECT_EQ(choice.choose(Payload{9, 0}), std::nullopt) << "too short";
}

TEST(SessionChoice, StaysWithItsMemberWhenOthersComeAndGo) {
  const Payload payload = {0, 42};
  EXPECT_EQ(SessionChoice::create({0, 2}, Ids{41, 42, 43})->choose(payload), 1u);
  EXPECT_EQ(SessionChoice::create({0, 2}, Ids{42, 7})->choose(payload), 0u);
  EXPECT_EQ(SessionChoice::create({0, 2}, Ids{41, 43})->choose(payload), std::nullopt);
  EXPECT_EQ(SessionChoice::create({0, 2}, {})->choose(payload), std::nullopt);
}

TEST(SessionChoice, SaysWhatIsImpossible) {
  const auto error = [](SessionIdField field, const Ids& ids) {
    const auto choice = SessionChoice::create(field, ids);
    return choice ? "none" : choice.error().context();
  };
  EXPECT_EQ(error({0, 0}, {}), "a session id of 0 bytes: it has 1 to 8");
  EXPECT_EQ(error({0, 9}, {}), "a session id of 9 bytes: it has 1 to 8");
  EXPECT_EQ(error({0, 1}, {255, 256}), "member id 256 does not fit into a session id of 1 bytes");
  EXPECT_EQ(error({0, 8}, {~std::uint64_t{0}}), "none");
  EXPECT_EQ(error({0, 2}, {5, 6, 5}), "two members with id 5");
}

}  // namespace
}  // namespace leat::steering
