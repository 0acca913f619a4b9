// Clients of the broker that mean no good, and clients of other users.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <array>
#include <cstring>
#include <fstream>
#include <span>
#include <vector>

#include "leat/base/random.h"
#include "leat/base/unique_fd.h"
#include "leat/smc/broker_report.h"
#include "leat/smc/internal/broker_protocol.h"

#include "tests/smc/broker_harness.h"

namespace leat::smc {
namespace {

using Kind = Answer::Kind;
using internal::Request;

class HostileClients : public BrokerHarness {
 protected:
  /// Connected, and silent.
  [[nodiscard]] UniqueFd dial() const {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, directory_.socket().c_str());
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  /// What `code` returns in a child of another user; `page` is mapped there too.
  template <typename Code>
  int as_user(uid_t uid, Code code) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(::setresuid(uid, uid, uid) != 0 ? 99 : code());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void allow(const std::string& line) {
    std::ofstream(directory_.path + "/policy") << line << "\n";
    std::this_thread::sleep_for(50ms);
  }
};

TEST_F(HostileClients, GarbageIsAnsweredByNothing) {
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    const UniqueFd fd = dial();
    std::array<unsigned char, 256> bytes{};
    for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(random());
    Request request;
    std::memcpy(bytes.data(), static_cast<const void*>(&request), 16);
    bytes[8] = static_cast<unsigned char>(random.uniform(0, 10));
    const std::size_t size = i % 2 == 0 ? sizeof request : random.uniform(1, 256);
    ASSERT_EQ(::send(fd.get(), bytes.data(), size, MSG_NOSIGNAL), static_cast<ssize_t>(size));
  }
  EXPECT_TRUE(broker_answers(directory_));
}

TEST_F(HostileClients, SilentOnesKeepNobodyWaiting) {
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 600; ++i) silent.push_back(dial());
  const auto before = std::chrono::steady_clock::now();
  EXPECT_TRUE(hello());
  EXPECT_LT(std::chrono::steady_clock::now() - before, 500ms);
  // The first of them were sent away to make room.
  char byte = 0;
  EXPECT_EQ(::recv(silent[0].get(), &byte, 1, MSG_DONTWAIT), 0);
}

TEST_F(HostileClients, ThoseThatNeverReadToo) {
  std::vector<UniqueFd> deaf;
  for (int i = 0; i < 200; ++i) {
    deaf.push_back(dial());
    const Request request;
    ASSERT_EQ(::send(deaf.back().get(), &request, sizeof request, 0),
              static_cast<ssize_t>(sizeof request));
  }
  EXPECT_TRUE(hello());
  // What they were given waits in their sockets, and goes with them.
  deaf.clear();
  eventually([&] { return ask_report(directory_)->processes == 0; });
}

TEST_F(HostileClients, PassedDescriptorsAreClosed) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd fd = dial();
  Request request;
  request.ask = internal::Ask::kPing;
  iovec part{&request, sizeof request};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &ends[1], sizeof(int));
  ASSERT_GT(::sendmsg(fd.get(), &message, 0), 0);
  ::close(ends[1]);
  char byte = 0;
  EXPECT_EQ(::read(ends[0], &byte, 1), 0);  // The last writer is gone.
  ::close(ends[0]);
}

TEST_F(HostileClients, ASealedSealKeepsNoMemory) {
  client().offer(make_offer(1, 10, 20), 0);
  const Answer answer = client().offer(make_offer(2, 20, 10), 0);
  ASSERT_EQ(::fcntl(answer.fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
  const Mapped<char> segment(answer);
  eventually([&] { return ask_report(directory_)->segments.empty(); });
}

TEST_F(HostileClients, SegmentsAreLimited) {
  stop();
  BrokerOptions few = options();
  few.most_segments = 2;
  broker_ = *Broker::create(few);
  thread_ = std::thread([this] { EXPECT_TRUE(broker_->run()); });
  std::vector<Mapped<char>> kept;
  for (std::uint16_t i = 1; i <= 3; ++i) {
    client().offer(make_offer(i, i, 100), 0);
    const Answer answer = client().offer(make_offer(i + 10U, 100, i), 0);
    EXPECT_EQ(answer.kind, i <= 2 ? Kind::kSegment : Kind::kRefused);
    EXPECT_EQ(answer.reason, i <= 2 ? FallbackReason::kNone : FallbackReason::kSegmentLimit);
    kept.emplace_back(answer);
  }
}

TEST_F(HostileClients, OtherUsersNeedThePolicy) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  std::filesystem::permissions(std::filesystem::path(directory_.path).parent_path(),
                               std::filesystem::perms(0711));
  const auto ask = [&] { return static_cast<int>(client().hello("x").kind); };
  EXPECT_EQ(as_user(4711, ask), static_cast<int>(Kind::kRefused));
  const auto report = [&] { return ask_report(directory_) ? 0 : 1; };
  EXPECT_EQ(as_user(4711, report), 1);
  allow("allow 0 4711");
  EXPECT_EQ(as_user(4711, ask), static_cast<int>(Kind::kSegment));
  EXPECT_EQ(as_user(4712, ask), static_cast<int>(Kind::kRefused));

  // One of theirs with one of ours; not with one of a third user's.
  client().offer(make_offer(1, 10, 20), 0);
  const auto pair = [&] { return static_cast<int>(client().offer(make_offer(2, 20, 10), 0).kind); };
  EXPECT_EQ(as_user(4711, pair), static_cast<int>(Kind::kSegment));
  const Mapped<SegmentHeader> mine(client().fetch(1, 0));
  ASSERT_TRUE(mine);
  // Nobody gets it by its cookie alone.
  allow("allow 0 4711\nallow 0 4713");
  const auto steal = [&] { return static_cast<int>(client().fetch(1, 0).kind); };
  EXPECT_EQ(as_user(4713, steal), static_cast<int>(Kind::kRefused));
  const auto inherit = [&] { return static_cast<int>(client().lookup_or_pin(1).kind); };
  EXPECT_EQ(as_user(4713, inherit), static_cast<int>(Kind::kRefused));
}

TEST_F(HostileClients, BetweenNetworkNamespacesTheyNeedItToo) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  std::filesystem::permissions(std::filesystem::path(directory_.path).parent_path(),
                               std::filesystem::perms(0711));
  allow("allow 0 4711\nallow 0 4712");
  const auto at = [](std::uint64_t netns, std::uint16_t local, std::uint16_t peer) {
    Offer offer = make_offer(netns, local, peer);
    offer.netns = netns;
    offer.names.local[0] = offer.names.peer[0] = 10;
    offer.names.local[3] = static_cast<std::uint8_t>(local);
    offer.names.peer[3] = static_cast<std::uint8_t>(peer);
    return offer;
  };
  const auto one = [&] { return static_cast<int>(client().offer(at(1, 10, 20), 0).kind); };
  EXPECT_EQ(as_user(4711, one), static_cast<int>(Kind::kPending));
  // These two are both ours' friends, not each other's.
  const auto other = [&] { return static_cast<int>(client().offer(at(2, 20, 10), 0).kind); };
  EXPECT_EQ(as_user(4712, other), static_cast<int>(Kind::kPending));
  const Mapped<SegmentHeader> ours(client().offer(at(3, 20, 10), 0));
  ASSERT_TRUE(ours);
  EXPECT_EQ(ours->across, 1U);
  const auto reject = [&] { return static_cast<int>(client().reject(3, ours->token, 0).kind); };
  EXPECT_EQ(as_user(4712, reject), static_cast<int>(Kind::kRefused));
}

TEST_F(HostileClients, AFamilyKeepsItsRightWhenItChangesItsUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  std::filesystem::permissions(std::filesystem::path(directory_.path).parent_path(),
                               std::filesystem::perms(0711));
  const Mapped<ProcessPage> page = hello("master");
  page->slots[0].cookie = 1;
  client().offer(make_offer(1, 10, 20), page->token);
  const auto work = [&] {
    const Answer answer = client().offer(make_offer(2, 20, 10), page->token);
    return static_cast<int>(answer.kind);
  };
  EXPECT_EQ(as_user(4711, work), static_cast<int>(Kind::kSegment));
  const auto stranger = [&] {
    return static_cast<int>(client().offer(make_offer(3, 20, 10), 12345).kind);
  };
  EXPECT_EQ(as_user(4711, stranger), static_cast<int>(Kind::kRefused));
  // And hands it on by hold().
  const auto heir = [&] { return static_cast<int>(client().hold(1, 5, page->token).kind); };
  const Answer fetched = client().fetch(1, page->token);
  EXPECT_EQ(fetched.kind, Kind::kSegment);
  const Mapped<SegmentHeader> mine(fetched);
  ASSERT_TRUE(mine);
  EXPECT_EQ(as_user(4714, heir), static_cast<int>(Kind::kSegment));
  const auto look = [&] { return static_cast<int>(client().lookup_or_pin(1).kind); };
  EXPECT_EQ(as_user(4714, look), static_cast<int>(Kind::kSegment));
}

TEST_F(HostileClients, ABrokerOfAStrangerIsNone) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  std::filesystem::permissions(std::filesystem::path(directory_.path).parent_path(),
                               std::filesystem::perms(0711));
  stop();
  std::filesystem::remove(directory_.path + "/lock");
  ASSERT_EQ(::chown(directory_.path.c_str(), 4711, 4711), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresuid(4711, 4711, 4711) != 0) ::_exit(1);
    const Result<std::unique_ptr<Broker>> broker = Broker::create(options());
    ::_exit(broker && (*broker)->run() ? 0 : 1);
  }
  eventually([&] { return broker_answers(directory_); });
  const BrokerClient careful(directory_.socket().c_str(), BrokerClient::Trust::kOwner);
  EXPECT_EQ(careful.hello("x").kind, Kind::kNoBroker);
  // Whoever trusts the path is served, being root here.
  EXPECT_EQ(client().hello("x").kind, Kind::kSegment);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace leat::smc
