// Relays: processes that carry a connection on, past the rings that its new holder cannot read.

#include "leat/smc/internal/relay.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>

#include "tests/smc/broker_harness.h"

namespace leat::smc {
namespace {

struct Pair {
  UniqueFd one;
  UniqueFd other;
};

Pair tcp_pair() {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  auto* const address = reinterpret_cast<sockaddr*>(&name);
  EXPECT_EQ(::bind(listener.get(), address, size), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_EQ(::getsockname(listener.get(), address, &size), 0);
  Pair pair{UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), {}};
  EXPECT_EQ(::connect(pair.one.get(), address, size), 0);
  pair.other = UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  return pair;
}

UniqueFd memory_file(const std::string& bytes, off_t offset) {
  UniqueFd fd(::memfd_create("rest", MFD_CLOEXEC));
  EXPECT_EQ(::write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(::lseek(fd.get(), offset, SEEK_SET), offset);
  return fd;
}

std::string pattern(std::size_t size) {
  std::string bytes(size, 0);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
  return bytes;
}

/// Up to `size` bytes or the end; `error` is errno then, 0 at the end.
std::string read_all(int fd, std::size_t size, int& error) {
  std::string bytes;
  std::array<char, 65536> part{};
  error = 0;
  while (bytes.size() < size) {
    pollfd one{fd, POLLIN, 0};
    if (::poll(&one, 1, 10'000) != 1) {
      error = ETIMEDOUT;
      break;
    }
    const ssize_t got =
        ::recv(fd, part.data(), std::min(part.size(), size - bytes.size()), MSG_DONTWAIT);
    if (got < 0) error = errno;
    if (got <= 0) break;
    bytes.append(part.data(), static_cast<std::size_t>(got));
  }
  return bytes;
}

constexpr std::size_t kAll = std::size_t{1} << 40U;

class RelayTest : public BrokerHarness {
 protected:
  /// The peer and the program, with a relay between them that has `rest`, from `offset` on.
  void relay(const std::string& rest, off_t offset) {
    Pair connection = tcp_pair();
    Pair fresh = tcp_pair();
    peer_ = std::move(connection.one);
    program_ = std::move(fresh.one);
    const UniqueFd file = memory_file(rest, offset);
    const Answer answer = client().relay(connection.other.get(), fresh.other.get(), file.get(), 0);
    EXPECT_EQ(answer.kind, Answer::Kind::kSegment);
  }

  UniqueFd peer_;
  UniqueFd program_;
};

TEST_F(RelayTest, RestComesFirstThenWhatThePeerSends) {
  const std::string rest = pattern(9U << 20U);
  relay(rest, 100);
  ASSERT_EQ(::send(peer_.get(), "more", 4, 0), 4);
  ASSERT_EQ(::shutdown(peer_.get(), SHUT_WR), 0);
  int error = 0;
  const std::string seen = read_all(program_.get(), kAll, error);
  EXPECT_EQ(error, 0);
  EXPECT_EQ(seen.size(), rest.size() - 100 + 4);
  EXPECT_TRUE(seen == rest.substr(100) + "more");
}

TEST_F(RelayTest, HalfClosedPeerStillGetsTheAnswer) {
  relay("rest", 0);
  ASSERT_EQ(::shutdown(peer_.get(), SHUT_WR), 0);
  int error = 0;
  EXPECT_EQ(read_all(program_.get(), kAll, error), "rest");
  ASSERT_EQ(::send(program_.get(), "answer", 6, 0), 6);
  program_.reset();
  EXPECT_EQ(read_all(peer_.get(), kAll, error), "answer");
  EXPECT_EQ(error, 0);
}

TEST_F(RelayTest, OutlivesTheBroker) {
  relay("rest", 0);
  stop();
  int error = 0;
  EXPECT_EQ(read_all(program_.get(), 4, error), "rest");
  ASSERT_EQ(::send(peer_.get(), "x", 1, 0), 1);
  EXPECT_EQ(read_all(program_.get(), 1, error), "x");
}

TEST_F(RelayTest, ResetOfThePeerComesBehindTheRest) {
  const std::string rest = pattern(9U << 20U);
  relay(rest, 0);
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(peer_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  peer_.reset();
  int error = 0;
  EXPECT_EQ(read_all(program_.get(), kAll, error).size(), rest.size());
  EXPECT_EQ(error, ECONNRESET);
}

TEST_F(RelayTest, ProgramThatGoesWithBytesUnreadResetsThePeer) {
  relay(pattern(9U << 20U), 0);
  program_.reset();
  int error = 0;
  EXPECT_EQ(read_all(peer_.get(), kAll, error), "");
  EXPECT_EQ(error, ECONNRESET);
}

TEST_F(RelayTest, OnlySocketsAndMemoryFilesAreTaken) {
  Pair pair = tcp_pair();
  const UniqueFd file(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  const UniqueFd memory = memory_file("rest", 0);
  using Kind = Answer::Kind;
  EXPECT_EQ(client().relay(pair.one.get(), pair.other.get(), file.get(), 0).kind, Kind::kRefused);
  EXPECT_EQ(client().relay(memory.get(), pair.other.get(), memory.get(), 0).kind, Kind::kRefused);
  EXPECT_EQ(client().relay(pair.one.get(), file.get(), memory.get(), 0).kind, Kind::kRefused);
}

}  // namespace
}  // namespace leat::smc
