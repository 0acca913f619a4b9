#include "leat/net/resolver.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/reactor/event_loop.h"

#include "support/resolver_fixture.h"

namespace leat {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::DnsServer;
using testing::run_until;
using testing::words;
using testing::write_file;
using Asked = std::vector<std::string>;

class ResolverTest : public testing::ResolverTest {};

TEST_F(ResolverTest, AsksForBothFamilies) {
  dns->on("host.example", "A", {.records = {"A 192.0.2.1", "A 192.0.2.2"}});
  dns->on("host.example", "AAAA", {.records = {"AAAA ::1"}});
  make();
  // ::1 has a route everywhere, the others may have none.
  EXPECT_EQ(resolve("Host.Example", 443), "[::1]:443 192.0.2.1:443 192.0.2.2:443");
  EXPECT_EQ(dns->asked(), (Asked{"AAAA host.example", "A host.example"}));
  EXPECT_EQ(resolver->open_questions(), 0u);
}

TEST_F(ResolverTest, AsksForOneFamilyIfTold) {
  dns->on("host.example", "A", {.records = {"A 192.0.2.1"}});
  ResolverOptions only_v4 = options();
  only_v4.families = ResolverOptions::Families::kIpv4;
  make(only_v4);
  EXPECT_EQ(resolve("host.example"), "192.0.2.1:80");
  EXPECT_EQ(dns->asked(), Asked{"A host.example"});
  EXPECT_EQ(resolve("::1"), "resolve ::1 (no address of this kind): No data available");
}

TEST_F(ResolverTest, FollowsAliases) {
  dns->on("www.example", "A", {.records = {"CNAME cdn.example", "A 192.0.2.1"}});
  dns->on("www.example", "AAAA", {.records = {"CNAME cdn.example"}});
  make();
  EXPECT_EQ(resolve("www.example"), "192.0.2.1:80");
}

TEST_F(ResolverTest, TellsTheFamiliesAsTheyCome) {
  dns->on("host.example", "A", {.records = {"A 192.0.2.1"}});
  dns->on("host.example", "AAAA", {.records = {"AAAA ::1"}, .held = true});
  make();
  std::vector<std::string> told;
  ASSERT_TRUE(resolver->resolve_each("host.example", 80, [&](const FamilyAnswer& answer) {
    told.push_back(words(answer.addresses) + (answer.last ? " last" : ""));
  }));
  ASSERT_TRUE(run_until(*loop, [&] { return !told.empty(); }));
  EXPECT_EQ(told, Asked{"192.0.2.1:80"});
  EXPECT_EQ(resolver->open_questions(), 1u);
  dns->release();
  ASSERT_TRUE(run_until(*loop, [&] { return told.size() == 2; }));
  EXPECT_EQ(told[1], "[::1]:80 last");
  EXPECT_EQ(resolver->open_questions(), 0u);
}

TEST_F(ResolverTest, AddressesInDigitsAreNotAskedFor) {
  make();
  EXPECT_EQ(resolve("192.0.2.1"), "192.0.2.1:80");
  EXPECT_EQ(resolve("2001:db8::1"), "[2001:db8::1]:80");
  EXPECT_EQ(resolve("[2001:db8::1]"), "[2001:db8::1]:80");
  EXPECT_TRUE(dns->asked().empty());
}

TEST_F(ResolverTest, LocalhostIsNotAskedFor) {
  make();
  EXPECT_EQ(resolve("LocalHost"), "[::1]:80 127.0.0.1:80");
  EXPECT_EQ(resolve("my.localhost."), "[::1]:80 127.0.0.1:80");
  EXPECT_TRUE(dns->asked().empty());
}

TEST_F(ResolverTest, NamesThatAreNoneAreRefusedAtOnce) {
  make();
  EXPECT_EQ(resolve("a b"),
            "refused: resolve \"a?b\" (a character that names of hosts have not): "
            "Invalid argument");
  EXPECT_EQ(resolve("127.1"),
            "refused: resolve \"127.1\" (neither an address nor a name): Invalid argument");
  EXPECT_EQ(resolver->open_questions(), 0u);
}

TEST_F(ResolverTest, SaysThatThereIsNoSuchName) {
  make();
  EXPECT_EQ(resolve("nonesuch.example"),
            "resolve nonesuch.example (no such name): No such device or address");
}

TEST_F(ResolverTest, SaysThatTheNameHasNoAddress) {
  dns->on("mail.example", "A", {});
  dns->on("mail.example", "AAAA", {});
  make();
  EXPECT_EQ(resolve("mail.example"),
            "resolve mail.example (no address of this kind): No data available");
}

TEST_F(ResolverTest, SaysThatTheServerFailsOrRefuses) {
  for (const char* type : {"A", "AAAA"}) {
    dns->on("broken.example", type, {.rcode = 2});
    dns->on("secret.example", type, {.rcode = 5});
  }
  make();
  EXPECT_EQ(resolve("broken.example"),
            "resolve broken.example (the name server failed: SERVFAIL): "
            "Resource temporarily unavailable");
  EXPECT_EQ(resolve("secret.example"),
            "resolve secret.example (the name server refused: REFUSED): Permission denied");
}

TEST_F(ResolverTest, OneFamilyMayFail) {
  dns->on("host.example", "A", {.records = {"A 192.0.2.1"}});
  dns->on("host.example", "AAAA", {.rcode = 2});
  make();
  EXPECT_EQ(resolve("host.example"), "192.0.2.1:80");
}

TEST_F(ResolverTest, SaysWhoDidNotAnswer) {
  dns->on("silent.example", "A", {.silent = true});
  dns->on("silent.example", "AAAA", {.silent = true});
  ResolverOptions hasty = options();
  hasty.timeout = milliseconds(20);
  hasty.tries = 2;
  make(hasty);
  const std::string answer = resolve("silent.example");
  const std::string expected =
      "resolve silent.example (no answer from " + dns->address().to_string() + " within ";
  EXPECT_EQ(answer.substr(0, expected.size()), expected);
  EXPECT_NE(answer.find(" ms): Connection timed out"), answer.npos) << answer;
  // After 20 and 40 ms, rounded up.
  EXPECT_GE(std::stoi(answer.substr(expected.size())), 60);
  EXPECT_EQ(dns->times_asked("A silent.example"), 2u);
}

TEST_F(ResolverTest, SaysThatThereIsNoServer) {
  ResolverOptions nobody = options();
  nobody.timeout = milliseconds(20);
  dns.reset();
  make(nobody);
  const std::string answer = resolve("host.example");
  // c-ares may lose the refusal of one question to the other one, and then waits for its time.
  EXPECT_TRUE(answer.starts_with("resolve host.example (no usable answer from 127.0.0.1:") ||
              answer.starts_with("resolve host.example (no answer from 127.0.0.1:"))
      << answer;
}

TEST_F(ResolverTest, SaysThatNoneOfTheServersIsUsable) {
  DnsServer second(*loop);
  for (const char* type : {"A", "AAAA"}) {
    dns->on("broken.example", type, {.rcode = 2});
    second.on("broken.example", type, {.rcode = 5});
  }
  ResolverOptions both = options();
  both.servers.push_back(second.address());
  make(both);
  EXPECT_EQ(resolve("broken.example"),
            "resolve broken.example (no usable answer from " + dns->address().to_string() + ", " +
                second.address().to_string() + "): Resource temporarily unavailable");
}

TEST_F(ResolverTest, AsksTheNextServer) {
  DnsServer second(*loop);
  second.on("host.example", "A", {.records = {"A 192.0.2.1"}});
  dns->on("host.example", "A", {.silent = true});
  dns->on("host.example", "AAAA", {.rcode = 2});
  ResolverOptions both = options();
  both.servers.push_back(second.address());
  both.timeout = milliseconds(20);
  make(both);
  EXPECT_EQ(resolve("host.example"), "192.0.2.1:80");
}

TEST_F(ResolverTest, TheLoopIsNotBlockedWhileThereIsNoAnswer) {
  dns->on("silent.example", "A", {.silent = true});
  dns->on("silent.example", "AAAA", {.silent = true});
  ResolverOptions patient = options();
  patient.timeout = milliseconds(1000);
  patient.tries = 1;
  make(patient);
  int ticks = 0;
  Duration longest{0};
  MonotonicTime last = monotonic_now();
  const TimerId timer = loop->run_every(milliseconds(5), [&] {
    longest = std::max(longest, monotonic_now() - last);
    last = monotonic_now();
    ++ticks;
  });
  EXPECT_NE(resolve("silent.example").find("no answer"), std::string::npos);
  loop->cancel(timer);
  EXPECT_GE(ticks, 20);
  // It would be 1 s if c-ares waited; a busy machine takes some of its own.
  EXPECT_LT(longest, milliseconds(900));
}

TEST_F(ResolverTest, TruncatedAnswersAreAskedForOverTcp) {
  dns->on("big.example", "A", {.truncated = true, .fill = 100});
  make();
  const std::string answer = resolve("big.example");
  EXPECT_EQ(answer.substr(0, 23), "10.0.0.0:80 10.0.0.1:80");
  EXPECT_EQ(std::count(answer.begin(), answer.end(), ':'), 32) << answer;
  EXPECT_EQ(dns->times_asked("A big.example tcp"), 1u);
}

TEST_F(ResolverTest, AHugeAnswerIsCutAndDoesNotStopTheLoop) {
  dns->on("huge.example", "A", {.truncated = true, .fill = 4090});
  ResolverOptions many = options();
  many.max_addresses = 4096;
  make(many);
  const std::string answer = resolve("huge.example");
  // c-ares would take 46 ms for all of it.
  EXPECT_EQ(std::count(answer.begin(), answer.end(), ':'), 256);
}

TEST_F(ResolverTest, ASilentServerOverTcpIsGivenUp) {
  dns->on("big.example", "A", {.truncated = true, .silent_over_tcp = true});
  ResolverOptions hasty = options();
  hasty.timeout = milliseconds(20);
  hasty.tries = 2;
  make(hasty);
  EXPECT_NE(resolve("big.example").find("no answer"), std::string::npos);
}

TEST_F(ResolverTest, GarbageAndStrangersAnswersAreIgnored) {
  dns->on("host.example", "A", {.raw = "garbage", .times = 1});
  dns->on("host.example", "A", {.records = {"A 192.0.2.66"}, .wrong_id = true, .times = 1});
  dns->on("host.example", "A", {.raw = std::string(200, '\xff'), .times = 1});
  dns->on("host.example", "A", {.records = {"A 192.0.2.1"}});
  ResolverOptions hasty = options();
  hasty.timeout = milliseconds(20);
  hasty.tries = 5;
  make(hasty);
  EXPECT_EQ(resolve("host.example"), "192.0.2.1:80");
}

TEST_F(ResolverTest, EqualQuestionsAreAskedOnce) {
  dns->on("host.example", "A", {.records = {"A 192.0.2.1"}});
  dns->on("host.example", "AAAA", {.held = true, .times = 1});
  dns->on("host.example", "AAAA", {});
  make();
  std::vector<std::string> told;
  const auto note = [&](const Result<std::vector<InetAddress>>& addresses) {
    told.push_back(words(addresses));
  };
  ASSERT_TRUE(resolver->resolve("host.example", 1, note));
  ASSERT_TRUE(resolver->resolve("HOST.example", 2, note));
  ASSERT_TRUE(run_until(*loop, [&] { return dns->asked().size() == 2; }));
  settle();
  // A is there already, AAAA is not.
  ASSERT_TRUE(resolver->resolve("host.example", 3, note));
  dns->release();
  ASSERT_TRUE(run_until(*loop, [&] { return told.size() == 3; }));
  EXPECT_EQ(told, (Asked{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3"}));
  EXPECT_EQ(dns->asked().size(), 2u);
  // Not kept: the next one asks again.
  EXPECT_EQ(resolve("host.example"), "192.0.2.1:80");
  EXPECT_EQ(dns->asked().size(), 4u);
}

TEST_F(ResolverTest, QuestionsHaveABound) {
  dns->on("silent.example", "A", {.silent = true});
  dns->on("silent.example", "AAAA", {.silent = true});
  ResolverOptions few = options();
  few.max_questions = 2;
  make(few);
  const auto never = [](const Result<std::vector<InetAddress>>&) { ADD_FAILURE(); };
  const auto first = resolver->resolve("silent.example", 1, never);
  ASSERT_TRUE(first && resolver->resolve("silent.example", 2, never));
  EXPECT_EQ(resolver->resolve("silent.example", 3, never).error().message(),
            "resolve silent.example (2 questions wait): No buffer space available");
  EXPECT_TRUE(resolver->cancel(*first));
  EXPECT_TRUE(resolver->resolve("silent.example", 3, never));
}

TEST_F(ResolverTest, SearchDomainsAreTried) {
  dns->on("host.second.example", "A", {.records = {"A 192.0.2.1"}});
  ResolverOptions search = options();
  search.search = {"first.example", "second.example"};
  make(search);
  EXPECT_EQ(resolve("host"), "192.0.2.1:80");
  EXPECT_EQ(dns->times_asked("A host.first.example"), 1u);
  EXPECT_EQ(dns->times_asked("A host"), 0u);
  EXPECT_EQ(resolve("host."), "resolve host. (no such name): No such device or address");
}

TEST_F(ResolverTest, ReadsTheHostsFile) {
  const testing::TemporaryFolder folder;
  write_file(folder.file("hosts"), "192.0.2.7 server.example server\n");
  ResolverOptions files = options();
  files.hosts_file = folder.file("hosts");
  make(files);
  EXPECT_EQ(resolve("Server"), "192.0.2.7:80");
  EXPECT_EQ(resolve("server.example."), "192.0.2.7:80");
  EXPECT_TRUE(dns->asked().empty());
}

TEST_F(ResolverTest, ReadsChangedFilesAgain) {
  const testing::TemporaryFolder folder;
  write_file(folder.file("hosts"), "192.0.2.7 server\n");
  write_file(folder.file("resolv.conf"), "search first.example\n");
  ResolverOptions files = options();
  files.hosts_file = folder.file("hosts");
  files.resolv_conf = folder.file("resolv.conf");
  files.search = std::nullopt;
  files.files_age = Duration::zero();
  make(files);
  dns->on("host.first.example", "A", {.records = {"A 192.0.2.1"}});
  dns->on("host.second.example", "A", {.records = {"A 192.0.2.2"}});
  EXPECT_EQ(resolve("server"), "192.0.2.7:80");
  EXPECT_EQ(resolve("host"), "192.0.2.1:80");
  write_file(folder.file("hosts"), "192.0.2.8 server\n");
  write_file(folder.file("resolv.conf"), "search second.example\n");
  // The question that has them looked at does not wait for that.
  std::string server = "192.0.2.7:80";
  std::string host = "192.0.2.1:80";
  for (int i = 0; i < 1000 && (server != "192.0.2.8:80" || host != "192.0.2.2:80"); ++i) {
    server = resolve("server");
    host = resolve("host");
  }
  EXPECT_EQ(server, "192.0.2.8:80");
  EXPECT_EQ(host, "192.0.2.2:80");
}

TEST_F(ResolverTest, WorksWithoutFiles) {
  ResolverOptions none = options();
  none.hosts_file = "/nonesuch/hosts";
  none.resolv_conf = "/nonesuch/resolv.conf";
  dns->on("host.example", "A", {.records = {"A 192.0.2.1"}});
  make(none);
  EXPECT_EQ(resolve("host.example"), "192.0.2.1:80");
}

TEST_F(ResolverTest, ABadServerOptionIsTheAnswerToEachQuestion) {
  ResolverOptions bad = options();
  bad.servers = {InetAddress::unix_path("/run/dns").value()};
  make(bad);
  EXPECT_EQ(resolve("host.example"),
            "resolve host.example (name server unix:/run/dns): Invalid argument");
  EXPECT_EQ(resolve("localhost"), "[::1]:80 127.0.0.1:80");
}

TEST_F(ResolverTest, ClientsOfALoopShareOne) {
  const std::shared_ptr<Resolver> first = Resolver::shared(*loop);
  EXPECT_EQ(first, Resolver::shared(*loop));
  const auto other_loop = EventLoop::create().value();
  EXPECT_NE(first, Resolver::shared(*other_loop));
}

}  // namespace
}  // namespace leat
