// main() of every test program; it also builds the precompiled header that they share.
#include <cstdlib>

#include <gmock/gmock.h>

int main(int argc, char** argv) {
  // Our code has threads. An emulator, whose programs cannot start themselves, says otherwise.
  if (std::getenv("GTEST_DEATH_TEST_STYLE") == nullptr) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
