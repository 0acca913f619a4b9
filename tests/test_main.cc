// main() of every test program; it also builds the precompiled header that they share.
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#include <gmock/gmock.h>

#include "leat/reactor/poller.h"

namespace {

/// Where the kernel has no io_uring, or forbids it, its tests are skipped and say why.
class PollerIsThere : public testing::Environment {
 public:
  void SetUp() override {
    const char* wanted = std::getenv("LEAT_POLLER");
    if (wanted == nullptr || std::string_view(wanted) != "uring") return;
    // On a thread of its own: while it puts away a ring, the kernel interrupts the thread that made
    // it, and the clients of the tests need not cope with EINTR.
    std::string lacks;
    std::thread([&lacks] {
      const auto poller = leat::Poller::create(leat::PollerKind::kUring);
      if (!poller) lacks = poller.error().message();
    }).join();
    if (!lacks.empty()) GTEST_SKIP() << lacks;
  }
};

}  // namespace

int main(int argc, char** argv) {
  // Our code has threads. An emulator, whose programs cannot start themselves, says otherwise.
  if (std::getenv("GTEST_DEATH_TEST_STYLE") == nullptr) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
  // Connections stay on TCP, and no broker is started, but where a test is about that.
  ::setenv("LEAT", "off", 0);
  testing::InitGoogleMock(&argc, argv);
  testing::AddGlobalTestEnvironment(new PollerIsThere);
  return RUN_ALL_TESTS();
}
