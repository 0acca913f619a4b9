#include "kernel/kernel_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>

namespace leat::testing {
namespace {

sockaddr_in address_of(const char* address, std::uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &to.sin_addr);
  return to;
}

CpuSet cpus_of(const char* path) {
  std::string text;
  std::getline(std::ifstream(path), text);
  return CpuSet::parse_list(text).value_or(CpuSet());
}

}  // namespace

void KernelFixture::SetUp() {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  allowed_ = CpuSet::available().value();
  online = cpus_of("/sys/devices/system/cpu/online");
  for (const int cpu : cpus_of("/sys/devices/system/cpu/possible")) cpus = cpu + 1;
  if (!allowed_.contains(0) || !allowed_.contains(1)) GTEST_SKIP() << "needs CPUs 0 and 1";
  std::string why;
  world = VethWorld::create(why);
  if (world == nullptr) GTEST_SKIP() << why;
  watch = SteeringWatch::create({.receive_namespace = world->near_inode(),
                                 .receive_device = world->near_device(),
                                 .send_namespace = world->near_inode(),
                                 .send_device = world->near_device()},
                                why);
  if (watch == nullptr) GTEST_SKIP() << why;
}

void KernelFixture::TearDown() {
  if (!allowed_.empty()) (void)allowed_.pin_current_thread();
  watch.reset();
  world.reset();
}

UniqueFd KernelFixture::socket(bool near, std::uint16_t port) const {
  UniqueFd made;
  const auto make = [&] {
    made = UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sockaddr_in own =
        address_of(near ? VethWorld::kNearAddress : VethWorld::kFarAddress, port);
    ASSERT_EQ(::bind(made.get(), reinterpret_cast<const sockaddr*>(&own), sizeof(own)), 0)
        << std::strerror(errno);
    // A reader that never comes is given up after a while.
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(made.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  };
  near ? world->in_near(make) : world->in_far(make);
  return made;
}

bool KernelFixture::connect(const UniqueFd& socket, const char* address, std::uint16_t port) {
  const sockaddr_in to = address_of(address, port);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
}

std::uint16_t KernelFixture::port_of(const UniqueFd& socket) {
  sockaddr_in own{};
  socklen_t size = sizeof(own);
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&own), &size);
  return ntohs(own.sin_port);
}

bool KernelFixture::send(const UniqueFd& socket, std::uint32_t number) {
  const std::uint32_t bytes = htonl(number);
  return ::send(socket.get(), &bytes, sizeof(bytes), 0) == sizeof(bytes);
}

bool KernelFixture::send_to(const UniqueFd& socket, const char* address, std::uint16_t port,
                            std::uint32_t number) {
  const std::uint32_t bytes = htonl(number);
  const sockaddr_in to = address_of(address, port);
  return ::sendto(socket.get(), &bytes, sizeof(bytes), 0, reinterpret_cast<const sockaddr*>(&to),
                  sizeof(to)) == sizeof(bytes);
}

std::vector<steering_event> KernelFixture::seen(steering_event_kind kind, std::size_t count) {
  using Clock = std::chrono::steady_clock;
  std::vector<steering_event> events;
  auto last = Clock::now();
  while (events.size() < count && Clock::now() - last < std::chrono::milliseconds(200)) {
    for (const steering_event& event : watch->take()) {
      if (event.kind != static_cast<unsigned>(kind)) {
        others.push_back(event);
        continue;
      }
      events.push_back(event);
      last = Clock::now();
    }
    if (events.size() < count) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return events;
}

}  // namespace leat::testing
