// The proof between network namespaces, on real connections: here both ends lie in one, but the
// segment says otherwise, so that nothing but the proof counts.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "leat/base/unique_fd.h"
#include "leat/smc/internal/memory_file.h"
#include "leat/smc/link.h"
#include "leat/smc/socket_counts.h"

#include "tests/smc/tcp_pair.h"

namespace leat::smc {
namespace {

using Progress = Link::Progress;

/// As the broker makes it, for sockets of two namespaces.
class Segment {
 public:
  Segment(const UniqueFd& first, const UniqueFd& second)
      : file_(std::move(
            *internal::MemoryFile::create("test", SegmentLayout::size(kSmallRing, kSmallRing)))) {
    static std::uint64_t tokens = 0;
    SegmentHeader header{};
    header.magic = SegmentHeader::kMagic;
    header.header_size = sizeof(EndControl);
    header.big_ring[0] = header.big_ring[1] = kSmallRing;
    header.cookie[0] = socket_cookie(first.get());
    header.cookie[1] = socket_cookie(second.get());
    header.token = ++tokens;
    header.across = 1;
    EXPECT_TRUE(file_.write(&header, sizeof header, 0));
  }
  /// What the broker answers to an end.
  [[nodiscard]] Answer answer(unsigned end) const {
    Answer answer;
    answer.kind = Answer::Kind::kSegment;
    answer.end = end;
    answer.fd = ::fcntl(file_.fd(), F_DUPFD_CLOEXEC, 0);
    return answer;
  }

 private:
  internal::MemoryFile file_;
};

/// A program's side of a connection: sends, and reads as the preloaded library does.
class Side {
 public:
  Side(const UniqueFd& socket, const Segment& segment, unsigned end) : socket_(socket.get()) {
    Offer offer;
    EXPECT_EQ(identify(socket_, offer), FallbackReason::kNone);
    attach(offer, segment, end);
  }
  void attach(const Offer& offer, const Segment& segment, unsigned end) {
    EXPECT_EQ(link_.attach(socket_, offer, segment.answer(end), end == 0), FallbackReason::kNone);
  }
  void send(std::size_t count) const {
    const std::string bytes(count, 'x');
    ASSERT_EQ(::send(socket_, bytes.data(), count, 0), static_cast<ssize_t>(count));
  }
  void receive(std::size_t count) {
    std::string bytes(count, '\0');
    ASSERT_EQ(::recv(socket_, bytes.data(), count, MSG_WAITALL), static_cast<ssize_t>(count));
    link_.challenge(socket_);
    progress_ = link_.prove(socket_);
  }
  [[nodiscard]] Progress progress() const { return progress_; }
  [[nodiscard]] Link& link() { return link_; }

 private:
  int socket_;
  Link link_;
  Progress progress_ = Progress::kWaiting;
};

void exchange(Side& asking, Side& answering, std::size_t request, std::size_t reply) {
  asking.send(request);
  answering.receive(request);
  answering.send(reply);
  asking.receive(reply);
}

/// The exchanges until both were ready, or one found no proof; `most` if neither.
unsigned play(Side& asking, Side& answering, std::size_t request, std::size_t reply,
              unsigned most = 1000) {
  for (unsigned i = 1; i < most; ++i) {
    exchange(asking, answering, request, reply);
    if (asking.progress() == Progress::kReady && answering.progress() == Progress::kReady) return i;
    if (asking.progress() == Progress::kNoProof || answering.progress() == Progress::kNoProof) {
      return i;
    }
  }
  return most;
}

TEST(LinkProofTest, TheEndsOfOneConnectionAreProvedInAHundredExchanges) {
  const TcpPair pair;
  const Segment segment(pair.client, pair.server);
  Side client(pair.client, segment, 0);
  Side server(pair.server, segment, 1);
  EXPECT_LT(play(client, server, 100, 200), 120U);
  EXPECT_TRUE(client.link().is_ready());
  EXPECT_TRUE(server.link().is_ready());
}

TEST(LinkProofTest, LargeRepliesDoNotHinder) {
  const TcpPair pair;
  const Segment segment(pair.client, pair.server);
  Side client(pair.client, segment, 0);
  Side server(pair.server, segment, 1);
  EXPECT_LT(play(client, server, 100, 300'000), 150U);
  EXPECT_TRUE(server.link().is_ready());
}

// The replies are right and in step, as from a proxy or another pair of the same traffic.
TEST(LinkProofTest, EndsOfTwoConnectionsFindNoProof) {
  for (int i = 0; i < 20; ++i) {
    const TcpPair one;
    const TcpPair other;
    const Segment segment(one.client, other.server);
    Side client(one.client, segment, 0);
    Side server(other.server, segment, 1);
    const auto forward = [](const UniqueFd& from, const UniqueFd& to) {
      std::string bytes(100, '\0');
      ASSERT_EQ(::recv(from.get(), bytes.data(), 100, MSG_WAITALL), 100);
      ASSERT_EQ(::send(to.get(), bytes.data(), 100, 0), 100);
    };
    unsigned rounds = 0;
    while (client.progress() != Progress::kNoProof && server.progress() != Progress::kNoProof) {
      ASSERT_LT(++rounds, 300U);
      client.send(100);
      forward(one.server, other.client);
      server.receive(100);
      server.send(100);
      forward(other.client, one.server);
      client.receive(100);
      ASSERT_FALSE(client.link().is_ready());
      ASSERT_FALSE(server.link().is_ready());
    }
  }
}

TEST(LinkProofTest, AskedForOnceMoreItGoesOn) {
  const TcpPair pair;
  const Segment segment(pair.client, pair.server);
  Side client(pair.client, segment, 0);
  Side server(pair.server, segment, 1);
  EXPECT_EQ(play(client, server, 10, 10, 60), 60U);
  Offer offer;
  ASSERT_EQ(identify(pair.client.get(), offer), FallbackReason::kNone);
  client.attach(offer, segment, 0);
  EXPECT_LT(play(client, server, 10, 10), 60U);
}

TEST(LinkProofTest, AfterARejectedSegmentAnotherIsProved) {
  const TcpPair pair;
  const TcpPair stranger;
  const Segment wrong(pair.client, stranger.server);
  Side client(pair.client, wrong, 0);
  const Side elsewhere(stranger.server, wrong, 1);
  const Segment right(pair.client, pair.server);
  Side server(pair.server, right, 1);
  for (int i = 0; i < 30; ++i) exchange(client, server, 10, 10);  // Against the wrong one.
  Offer offer;
  ASSERT_EQ(identify(pair.client.get(), offer), FallbackReason::kNone);
  client.attach(offer, right, 0);
  EXPECT_LT(play(client, server, 10, 10), 120U);
  EXPECT_TRUE(client.link().is_ready());
}

TEST(LinkProofTest, GarbageInTheChallengeHarmsNothing) {
  const TcpPair pair;
  const Segment segment(pair.client, pair.server);
  Side client(pair.client, segment, 0);
  Side server(pair.server, segment, 1);
  std::uint64_t state = 88172645463325252ULL;
  for (int i = 0; i < 300; ++i) {
    for (EndControl* end : {&client.link().mine(), &server.link().mine()}) {
      state ^= state << 13U;
      state ^= state >> 7U;
      state ^= state << 17U;
      end->challenge.store(state, std::memory_order_relaxed);
      end->challenge_from.store(state >> (state % 64), std::memory_order_relaxed);
    }
    exchange(client, server, 10, 10);
    EXPECT_FALSE(client.link().is_ready());
  }
}

TEST(LinkProofTest, TheConnectionMustStillBeThere) {
  TcpPair pair;
  const Segment segment(pair.client, pair.server);
  Side client(pair.client, segment, 0);
  Side server(pair.server, segment, 1);
  server.link().mine().state = EndState::kConfirmed;
  exchange(client, server, 10, 10);
  EXPECT_EQ(client.progress(), Progress::kReady);

  const TcpPair again;
  const Segment other(again.client, again.server);
  Side gone(again.client, other, 0);
  Side left(again.server, other, 1);
  ASSERT_EQ(::shutdown(again.client.get(), SHUT_WR), 0);
  left.link().mine().state = EndState::kConfirmed;
  EXPECT_EQ(gone.link().prove(again.client.get()), Progress::kRefused);
}

}  // namespace
}  // namespace leat::smc
