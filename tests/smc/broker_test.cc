// The broker and its client: pairs, stale offers, what is given back, who may.

#include "leat/smc/broker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "leat/smc/broker_report.h"
#include "leat/smc/segment.h"

#include "tests/smc/broker_harness.h"

namespace leat::smc {
namespace {

using Kind = Answer::Kind;
using BrokerTest = BrokerHarness;

EndControl& end_of(SegmentHeader& header, unsigned end) {
  return *reinterpret_cast<EndControl*>(reinterpret_cast<char*>(&header) +
                                        SegmentLayout::control(end));
}

TEST_F(BrokerTest, HelloGivesASealedPage) {
  const Answer answer = client().hello("prog");
  ASSERT_EQ(answer.kind, Kind::kSegment);
  EXPECT_GE(answer.size, sizeof(ProcessPage));
  EXPECT_NE(::fcntl(answer.fd, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(::ftruncate(answer.fd, 10), -1);
  const Mapped<ProcessPage> page(answer);
  EXPECT_EQ(page->magic, ProcessPage::kMagic);
  EXPECT_EQ(page->pid, ::getpid());
  EXPECT_EQ(page->uid, ::geteuid());
  EXPECT_NE(page->token, 0U);
  EXPECT_STREQ(page->program, "prog");
}

TEST_F(BrokerTest, MirroredOffersGetOneSegment) {
  const Mapped<ProcessPage> page = hello();
  page->slots[7].cookie = 100;
  Offer first = make_offer(100, 5000, 80);
  first.slot = 7;
  first.connects = true;
  first.big_ring = 1U << 20U;
  EXPECT_EQ(client().offer(first, page->token).kind, Kind::kPending);
  EXPECT_EQ(client().fetch(100, 0).kind, Kind::kPending);
  EXPECT_EQ(page->mail, 0U);
  EXPECT_EQ(page->slots[7].matched, 0U);

  const Answer second = client().offer(make_offer(101, 80, 5000), page->token);
  ASSERT_EQ(second.kind, Kind::kSegment);
  EXPECT_EQ(second.end, 1U);
  EXPECT_FALSE(second.connects);
  EXPECT_EQ(page->mail, 1U);
  EXPECT_NE(page->slots[7].matched, 0U);
  const Answer fetched = client().fetch(100, page->token);
  ASSERT_EQ(fetched.kind, Kind::kSegment);
  EXPECT_EQ(fetched.end, 0U);
  EXPECT_TRUE(fetched.connects);

  const Mapped<SegmentHeader> mine(fetched);
  const Mapped<SegmentHeader> peers(second);
  EXPECT_EQ(mine->magic, SegmentHeader::kMagic);
  EXPECT_EQ(mine->header_size, sizeof(EndControl));
  EXPECT_EQ(mine->big_ring[0], 1U << 20U);
  EXPECT_EQ(mine->big_ring[1], kDefaultBigRing);
  EXPECT_EQ(mine->cookie[0], 100U);
  EXPECT_EQ(mine->cookie[1], 101U);
  EXPECT_EQ(fetched.size, SegmentLayout::size(1U << 20U, kDefaultBigRing));
  end_of(*mine, 0).flags = 77;
  EXPECT_EQ(end_of(*peers, 0).flags.load(), 77U);
}

TEST_F(BrokerTest, LoopbackOfAnotherNetworkNamespaceIsNoMatch) {
  Offer first = make_offer(1, 10, 20);
  Offer second = make_offer(2, 20, 10);
  second.netns = 2;
  EXPECT_EQ(client().offer(first, 0).kind, Kind::kPending);
  EXPECT_EQ(client().offer(second, 0).kind, Kind::kPending);
}

TEST_F(BrokerTest, ANewerOfferOfTheSameNamesTakesTheStaleOnesPlace) {
  EXPECT_EQ(client().offer(make_offer(1, 10, 20), 0).kind, Kind::kPending);
  EXPECT_EQ(client().offer(make_offer(2, 10, 20), 0).kind, Kind::kPending);
  const Answer peer = client().offer(make_offer(3, 20, 10), 0);
  ASSERT_EQ(peer.kind, Kind::kSegment);
  const Mapped<SegmentHeader> segment(peer);
  EXPECT_EQ(segment->cookie[0], 2U);
  EXPECT_EQ(client().fetch(1, 0).kind, Kind::kUnknown);
}

TEST_F(BrokerTest, AStalePairDoesNotBlockTheTrueOne) {
  const Mapped<ProcessPage> page = hello();
  page->slots[0].cookie = 2;
  client().offer(make_offer(1, 10, 20), page->token);  // Dies.
  const Mapped<SegmentHeader> stale(client().offer(make_offer(2, 20, 10), page->token));
  ASSERT_TRUE(stale);
  end_of(*stale, 1).state = EndState::kAttached;
  const std::uint32_t before = page->slots[0].matched;
  const Mapped<SegmentHeader> fresh(client().offer(make_offer(3, 10, 20), page->token));
  ASSERT_TRUE(fresh);
  EXPECT_NE(fresh->token, stale->token);
  EXPECT_NE(page->slots[0].matched, before);
  const Mapped<SegmentHeader> again(client().fetch(2, page->token));
  EXPECT_EQ(again->token, fresh->token);
}

TEST_F(BrokerTest, AProvedPairIsNeverTakenApart) {
  client().offer(make_offer(1, 10, 20), 0);
  const Mapped<SegmentHeader> proved(client().offer(make_offer(2, 20, 10), 0));
  ASSERT_TRUE(proved);
  end_of(*proved, 0).state = EndState::kConfirmed;
  EXPECT_EQ(client().offer(make_offer(3, 10, 20), 0).kind, Kind::kPending);
  const Mapped<SegmentHeader> still(client().fetch(2, 0));
  EXPECT_EQ(still->token, proved->token);
  const Mapped<SegmentHeader> fresh(client().offer(make_offer(4, 20, 10), 0));
  EXPECT_EQ(fresh->cookie[0], 3U);
}

TEST_F(BrokerTest, ASocketThatConnectsAgainOffersAgain) {
  client().offer(make_offer(1, 10, 20), 0);
  EXPECT_EQ(client().offer(make_offer(1, 11, 20), 0).kind, Kind::kPending);
  EXPECT_EQ(client().offer(make_offer(2, 20, 10), 0).kind, Kind::kPending);
  const Answer peer = client().offer(make_offer(3, 20, 11), 0);
  EXPECT_EQ(peer.kind, Kind::kSegment);
  ::close(peer.fd);
}

TEST_F(BrokerTest, InheritedSocketsArePinnedOrFindTheirSegment) {
  EXPECT_EQ(client().lookup_or_pin(1).kind, Kind::kUnknown);
  const Answer late = client().offer(make_offer(1, 10, 20), 0);
  EXPECT_EQ(late.kind, Kind::kRefused);
  EXPECT_EQ(late.reason, FallbackReason::kInherited);

  client().offer(make_offer(2, 30, 40), 0);
  EXPECT_EQ(client().lookup_or_pin(2).kind, Kind::kUnknown);
  EXPECT_EQ(client().offer(make_offer(3, 40, 30), 0).kind, Kind::kPending);
  EXPECT_EQ(client().fetch(2, 0).reason, FallbackReason::kInherited);

  Offer connecting = make_offer(4, 50, 60);
  connecting.connects = true;
  client().offer(connecting, 0);
  const Mapped<SegmentHeader> pair(client().offer(make_offer(5, 60, 50), 0));
  const Answer found = client().lookup_or_pin(4);
  ASSERT_EQ(found.kind, Kind::kSegment);
  EXPECT_TRUE(found.connects);
  ::close(found.fd);
}

TEST_F(BrokerTest, MemoryGoesWithItsLastHolder) {
  client().offer(make_offer(1, 10, 20), 0);
  Mapped<SegmentHeader> one(client().offer(make_offer(2, 20, 10), 0));
  Mapped<SegmentHeader> other(client().fetch(1, 0));
  one.reset();
  std::this_thread::sleep_for(400ms);
  EXPECT_EQ(ask_report(directory_)->segments.size(), 1U);
  other.reset();
  eventually([&] { return ask_report(directory_)->segments.empty(); });
  EXPECT_EQ(client().fetch(1, 0).kind, Kind::kUnknown);
}

TEST_F(BrokerTest, MemoryGoesWithAKilledHolder) {
  client().offer(make_offer(1, 10, 20), 0);
  ASSERT_EQ(client().fetch(1, 0).kind, Kind::kPending);
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const Mapped<ProcessPage> page = hello("child");
    const Mapped<SegmentHeader> segment(client().offer(make_offer(2, 20, 10), page->token));
    page->counters.shared = 5;
    end_of(*segment, 1).tx_messages = 9;
    const char done = segment ? 'y' : 'n';
    if (::write(ready[1], &done, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char done = 0;
  ASSERT_EQ(::read(ready[0], &done, 1), 1);
  EXPECT_EQ(done, 'y');
  EXPECT_EQ(ask_report(directory_)->processes, 1U);
  std::this_thread::sleep_for(400ms);
  EXPECT_EQ(ask_report(directory_)->segments.size(), 1U);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  eventually([&] {
    const Result<BrokerReport> report = ask_report(directory_);
    return report->segments.empty() && report->processes == 0;
  });
  // What they counted is kept, until a reset.
  EXPECT_EQ(ask_report(directory_)->totals.shared, 5U);
  EXPECT_EQ(ask_report(directory_)->totals.tx_messages, 9U);
  EXPECT_EQ(ask_report(directory_)->totals.segments, 1U);
  EXPECT_TRUE(reset_report(directory_));
  EXPECT_EQ(ask_report(directory_)->totals.shared, 0U);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(BrokerTest, HoldKeepsASegmentAcrossExec) {
  client().offer(make_offer(1, 10, 20), 0);
  Mapped<SegmentHeader> segment(client().offer(make_offer(2, 20, 10), 0));
  EXPECT_EQ(client().hold(77, 5, 0).kind, Kind::kUnknown);
  const Answer held = client().hold(2, 1, 0);
  EXPECT_EQ(held.kind, Kind::kSegment);
  EXPECT_EQ(held.fd, -1);
  segment.reset();
  std::this_thread::sleep_for(400ms);
  Mapped<SegmentHeader> found(client().lookup_or_pin(2));
  ASSERT_TRUE(found);
  found.reset();
  eventually([&] { return ask_report(directory_)->segments.empty(); });
}

TEST_F(BrokerTest, AnOfferGoesWithItsSocket) {
  const Mapped<ProcessPage> page = hello();
  page->slots[3].cookie = 1;
  Offer offer = make_offer(1, 10, 20);
  offer.slot = 3;
  client().offer(offer, page->token);
  std::this_thread::sleep_for(400ms);
  EXPECT_EQ(client().fetch(1, 0).kind, Kind::kPending);
  page->slots[3].cookie = 0;
  eventually([&] { return ask_report(directory_)->pending_offers == 0; });
}

TEST_F(BrokerTest, ReportListsConnections) {
  const Mapped<ProcessPage> page = hello("lister");
  for (const unsigned slot : {0U, 63U, 64U, 5000U, 8191U}) {
    page->slots[slot].cookie = slot + 1;
    page->slots[slot].state = SlotState::kTcp;
    page->slots[slot].reason = FallbackReason::kNotEarned;
  }
  page->counters.fallback[static_cast<int>(FallbackReason::kDeniedPort)] = 3;
  const Result<BrokerReport> report = ask_report(directory_);
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->connections.size(), 5U);
  EXPECT_EQ(report->connections[4].cookie, 8192U);
  EXPECT_STREQ(report->connections[0].program, "lister");
  EXPECT_EQ(report->totals.fallback[static_cast<int>(FallbackReason::kDeniedPort)], 3U);
}

TEST_F(BrokerTest, OnlyOneLivesAndAStaleSocketIsReplaced) {
  EXPECT_TRUE(broker_answers(directory_));
  const Result<std::unique_ptr<Broker>> second = Broker::create(options());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().number(), EEXIST);
  stop();
  EXPECT_FALSE(broker_answers(directory_));
  EXPECT_EQ(client().hello("x").kind, Kind::kNoBroker);
  const int stale = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, directory_.socket().c_str());
  ASSERT_EQ(::bind(stale, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(stale);
  start();
  EXPECT_TRUE(broker_answers(directory_));
}

TEST_F(BrokerTest, TheDirectoryMustBeTrustworthy) {
  const std::string base = std::filesystem::path(directory_.path).parent_path();
  BrokerDirectory link{base + "/link", BrokerClient::Trust::kPath};
  ASSERT_EQ(::symlink("d", link.path.c_str()), 0);
  EXPECT_EQ(link.prepare().error().number(), ENOTDIR);
  BrokerDirectory open{base + "/open", BrokerClient::Trust::kPath};
  ASSERT_TRUE(open.prepare());
  ASSERT_EQ(::chmod(open.path.c_str(), 0777), 0);
  EXPECT_EQ(open.prepare().error().number(), EACCES);
  BrokerDirectory longest{base + "/" + std::string(100, 'x'), BrokerClient::Trust::kPath};
  EXPECT_EQ(longest.prepare().error().number(), ENAMETOOLONG);
  EXPECT_EQ(BrokerClient("").hello("x").kind, Kind::kNoBroker);
}

class LingeringBrokerTest : public BrokerHarness {
 protected:
  BrokerOptions options() override {
    BrokerOptions options = BrokerHarness::options();
    options.linger = 50ms;
    return options;
  }
};

TEST_F(LingeringBrokerTest, EndsByItselfAfterTheLastClient) {
  Mapped<ProcessPage> page = hello();
  std::this_thread::sleep_for(200ms);
  EXPECT_TRUE(broker_answers(directory_));
  page.reset();
  thread_.join();
  broker_.reset();
  EXPECT_FALSE(std::filesystem::exists(directory_.socket()));
}

}  // namespace
}  // namespace leat::smc
