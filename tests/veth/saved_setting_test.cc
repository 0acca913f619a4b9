#include "veth/saved_setting.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace leat::testing {
namespace {

/// A file that behaves as one of /proc/sys, for values of one length.
class SavedSettingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const int made = ::mkstemp(path_);
    ASSERT_GE(made, 0);
    ASSERT_EQ(::write(made, "before\n", 7), 7);
    ::close(made);
  }
  void TearDown() override { ::unlink(path_); }

  std::string value() const {
    std::string line;
    std::getline(std::ifstream(path_), line);
    return line;
  }

  char path_[32] = "/tmp/leat-setting-XXXXXX";
};

TEST_F(SavedSettingTest, PutsTheValueBack) {
  std::string why;
  auto setting = SavedSetting::create(path_, why);
  ASSERT_NE(setting, nullptr) << why;
  EXPECT_TRUE(setting->set("during"));
  EXPECT_EQ(value(), "during");
  setting.reset();
  EXPECT_EQ(value(), "before");
}

TEST_F(SavedSettingTest, PutsTheValueBackWhenItsProcessIsKilled) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::string why;
    const auto setting = SavedSetting::create(path_, why);
    if (setting != nullptr && setting->set("during")) ::raise(SIGKILL);
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  // The lock is free when the value is back.
  std::string why;
  const auto next = SavedSetting::create(path_, why);
  ASSERT_NE(next, nullptr) << why;
  EXPECT_EQ(value(), "before");
}

TEST_F(SavedSettingTest, WaitsForAnotherThatHasIt) {
  std::string why;
  auto first = SavedSetting::create(path_, why);
  ASSERT_NE(first, nullptr) << why;
  ASSERT_TRUE(first->set("during"));
  std::string seen;
  std::thread other([&] {
    std::string why_not;
    const auto second = SavedSetting::create(path_, why_not);
    if (second != nullptr) seen = value();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  first.reset();
  other.join();
  EXPECT_EQ(seen, "before");
}

TEST(SavedSetting, SaysWhatCannotBeOpened) {
  std::string why;
  EXPECT_EQ(SavedSetting::create("/proc/sys/net/core/none", why), nullptr);
  EXPECT_EQ(why, "opening /proc/sys/net/core/none: No such file or directory");
}

}  // namespace
}  // namespace leat::testing
