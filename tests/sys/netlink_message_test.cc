#include "leat/sys/netlink_message.h"

#include <linux/netlink.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/sys/internal/netlink_socket.h"

namespace leat::sys {
namespace {

using internal::NetlinkProgress;
using internal::read_datagram;

std::vector<std::byte> message(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence,
                               const std::vector<std::byte>& body) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + body.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  header.nlmsg_seq = sequence;
  std::vector<std::byte> bytes(sizeof header);
  std::memcpy(bytes.data(), &header, sizeof header);
  bytes.insert(bytes.end(), body.begin(), body.end());
  bytes.resize((bytes.size() + 3) & ~std::size_t{3});
  return bytes;
}

std::vector<std::byte> error_body(int number) {
  nlmsgerr error{};
  error.error = number;
  std::vector<std::byte> body(sizeof error);
  std::memcpy(body.data(), &error, sizeof error);
  return body;
}

TEST(Attributes, AreReadAsTheyWereWritten) {
  AttributeWriter writer;
  writer.put_u8(1, 200);
  writer.put_u32(2, 70'000);
  writer.put_u64(3, 1ULL << 40);
  writer.put_string(4, "eth0");
  writer.put_flag(5);
  const auto nest = writer.begin(6);
  writer.put_u32(7, 9);
  writer.end(nest);
  writer.put_u32(8, 1);
  const Attributes attributes(writer.bytes());
  EXPECT_EQ(attributes.number(1), 200u);
  EXPECT_EQ(attributes.number(2), 70'000u);
  EXPECT_EQ(attributes.number(3), 1ULL << 40);
  EXPECT_EQ(attributes.text(4), "eth0");
  EXPECT_TRUE(attributes.find(5).has_value());
  EXPECT_EQ(attributes.nested(6).number(7), 9u);
  EXPECT_EQ(attributes.number(8), 1u) << "padding and the nest's length are right";
  EXPECT_EQ(attributes.number(9), std::nullopt);
}

TEST(Attributes, ANumberOfAnotherSizeIsNoNumber) {
  AttributeWriter writer;
  writer.put(1, std::vector<std::byte>(3));
  writer.put(2, {});
  const Attributes attributes(writer.bytes());
  EXPECT_EQ(attributes.number(1), std::nullopt) << "not 0";
  EXPECT_EQ(attributes.number(2), std::nullopt);
}

TEST(Attributes, EndWhereALengthLies) {
  for (const unsigned wrong : {0U, 1U, 3U, 9U, 100U, 0xffffU}) {
    const auto length = static_cast<std::uint16_t>(wrong);
    AttributeWriter writer;
    writer.put_u32(1, 5);
    auto bytes = writer.take();
    std::memcpy(bytes.data(), &length, sizeof length);
    Attributes attributes(bytes);
    EXPECT_FALSE(attributes.next()) << length;
    EXPECT_EQ(Attributes(bytes).number(1), std::nullopt) << length;
  }
}

TEST(Attributes, AnyPrefixIsRead) {
  AttributeWriter writer;
  for (std::uint16_t i = 1; i < 20; ++i) writer.put_string(i, std::string(i, 'x'));
  const auto bytes = writer.take();
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<long>(size));
    Attributes attributes(cut);
    std::uint16_t expected = 1;
    while (const auto attribute = attributes.next()) {
      ASSERT_EQ(attribute->type, expected++);
      ASSERT_EQ(attribute->text().size(), attribute->type);
    }
  }
}

TEST(Datagram, GivesMessagesUntilTheDumpIsDone) {
  auto bytes = message(77, NLM_F_MULTI, 5, std::vector<std::byte>(8));
  const auto second = message(78, NLM_F_MULTI, 5, {});
  bytes.insert(bytes.end(), second.begin(), second.end());
  NetlinkAnswer answer;
  EXPECT_EQ(*read_datagram(bytes, 5, false, "test", answer), NetlinkProgress::kMore);
  ASSERT_EQ(answer.size(), 2u);
  EXPECT_EQ(answer[0].command, 77);
  EXPECT_EQ(answer[0].body.size(), 8u);
  EXPECT_EQ(answer[1].body.size(), 0u);
  const auto done = message(NLMSG_DONE, NLM_F_MULTI, 5, std::vector<std::byte>(4));
  EXPECT_EQ(*read_datagram(done, 5, false, "test", answer), NetlinkProgress::kDone);
}

TEST(Datagram, AnErrorIsTheKernelsNumber) {
  NetlinkAnswer answer;
  const auto refused = message(NLMSG_ERROR, 0, 5, error_body(-EOPNOTSUPP));
  const auto result = read_datagram(refused, 5, true, "rings of eth0", answer);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().number(), EOPNOTSUPP);
  EXPECT_EQ(result.error().context(), "rings of eth0");
  const auto acknowledged = message(NLMSG_ERROR, 0, 5, error_body(0));
  EXPECT_EQ(*read_datagram(acknowledged, 5, true, "test", answer), NetlinkProgress::kDone);
}

TEST(Datagram, ANumberThatIsNoErrnoIsRefused) {
  for (const int number : {std::numeric_limits<int>::min(), -5000, 7}) {
    NetlinkAnswer answer;
    const auto result =
        read_datagram(message(NLMSG_ERROR, 0, 5, error_body(number)), 5, true, "rings", answer);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().number(), EBADMSG) << number;
  }
}

TEST(Datagram, AnErrorHasTheKernelsWords) {
  auto body = error_body(-EINVAL);
  AttributeWriter writer;
  writer.put_string(NLMSGERR_ATTR_MSG, "requested ring size exceeds maximum");
  body.insert(body.end(), writer.bytes().begin(), writer.bytes().end());
  NetlinkAnswer answer;
  const auto result = read_datagram(message(NLMSG_ERROR, NLM_F_ACK_TLVS | NLM_F_CAPPED, 5, body), 5,
                                    true, "rings", answer);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().context(), "rings (requested ring size exceeds maximum)");
}

TEST(Datagram, MessagesOfAnotherRequestAreSkipped) {
  NetlinkAnswer answer;
  const auto late = message(77, 0, 4, {});
  EXPECT_EQ(*read_datagram(late, 5, false, "test", answer), NetlinkProgress::kMore);
  EXPECT_TRUE(answer.empty());
}

TEST(Datagram, AChangeDuringADumpIsSeen) {
  NetlinkAnswer answer;
  const auto changed = message(77, NLM_F_MULTI | NLM_F_DUMP_INTR, 5, {});
  EXPECT_EQ(*read_datagram(changed, 5, false, "test", answer), NetlinkProgress::kInterrupted);
}

TEST(Datagram, RandomBytesAreReadOrRefused) {
  Random random(11);
  const auto good = message(77, NLM_F_MULTI, 5, std::vector<std::byte>(40));
  int read = 0;
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = good;
    bytes.insert(bytes.end(), good.begin(), good.end());
    for (auto n = random.uniform(1, 6); n > 0; --n) {
      bytes[random.uniform(0, bytes.size() - 1)] = static_cast<std::byte>(random.uniform(0, 255));
    }
    bytes.resize(random.uniform(0, bytes.size()));
    NetlinkAnswer answer;
    if (read_datagram(bytes, 5, random.uniform(0, 1) == 1, "test", answer)) {
      ++read;
    } else {
      ++refused;
    }
    for (std::size_t i = 0; i < answer.size(); ++i) {
      Attributes attributes(answer[i].body);
      while (attributes.next()) {
      }
    }
  }
  EXPECT_GT(read, 100);
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace leat::sys
