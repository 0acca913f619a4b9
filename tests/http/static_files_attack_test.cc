// Nothing outside of the root is ever served.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "support/files_fixture.h"

namespace leat::http {
namespace {

using testing::FilesFixture;
using testing::Reply;

struct Attacked : FilesFixture {
  explicit Attacked(StaticFilesOptions options = {}) : FilesFixture(std::move(options)) {
    std::ofstream(tree.outside() / "secret.txt") << "secret";
    tree.write("sub/inside.txt", "inside");
  }
};

TEST(StaticFilesAttack, PathsThatClimb) {
  Attacked fixture;
  for (const char* path :
       {"/../secret.txt", "/sub/../../secret.txt", "/%2e%2e/secret.txt", "/%2E%2e/secret.txt",
        "/.%2e/secret.txt", "/sub/%2e%2e/%2e%2e/secret.txt", "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt", "/sub/..%2f..%2fsecret.txt", "/..\\secret.txt", "/..%5csecret.txt",
        "/%252e%252e/secret.txt", "/./../secret.txt", "//../secret.txt", "/sub//../../secret.txt",
        "/..%00/secret.txt", "/..;/secret.txt", "/%c0%ae%c0%ae/secret.txt", "/...//secret.txt"}) {
    const Reply reply = fixture.get(path);
    EXPECT_TRUE(reply.status == 400 || reply.status == 404) << path << " " << reply.status;
    EXPECT_EQ(reply.body.find("secret"), std::string::npos) << path;
  }
  EXPECT_EQ(fixture.get("http://x/../secret.txt").status, 400);
}

TEST(StaticFilesAttack, BrokenEscapes) {
  Attacked fixture;
  for (const char* path : {"/%", "/%2", "/%zz", "/sub%00/inside.txt", "/sub/inside.txt%00.html"}) {
    EXPECT_EQ(fixture.get(path).status, 400) << path;
  }
}

TEST(StaticFilesAttack, LinksOutAreRefusedAndLinksInsideFollowed) {
  Attacked fixture;
  const auto& root = fixture.tree.root();
  std::filesystem::create_symlink("../secret.txt", root / "relative");
  std::filesystem::create_symlink(fixture.tree.outside() / "secret.txt", root / "absolute");
  std::filesystem::create_symlink(root / "sub" / "inside.txt", root / "absolute_inside");
  std::filesystem::create_directory_symlink("..", root / "up");
  std::filesystem::create_symlink("loop", root / "loop");
  std::filesystem::create_symlink("/proc/self/root/etc/passwd", root / "magic");
  std::filesystem::create_symlink("sub/inside.txt", root / "good");
  std::filesystem::create_directory_symlink("sub", root / "good_directory");
  for (const char* path : {"/relative", "/absolute", "/absolute_inside", "/up/secret.txt", "/up",
                           "/up/", "/loop", "/magic", "/good/x"}) {
    EXPECT_EQ(fixture.get(path).status, 404) << path;
  }
  EXPECT_EQ(fixture.get("/good").body, "inside");
  EXPECT_EQ(fixture.get("/good_directory/inside.txt").body, "inside");
}

TEST(StaticFilesAttack, OnlyRegularFilesAreServed) {
  Attacked fixture;
  const std::string root = fixture.tree.root();
  ASSERT_EQ(::mkfifo((root + "/fifo").c_str(), 0600), 0);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (root + "/socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(fixture.get("/fifo").status, 404) << "and it does not wait for a writer";
  EXPECT_EQ(fixture.get("/socket").status, 404);
  ::close(socket);
}

TEST(StaticFilesAttack, LongNames) {
  Attacked fixture;
  EXPECT_EQ(fixture.get("/" + std::string(300, 'x')).status, 404);
  std::string deep;
  for (int i = 0; i < 2500; ++i) deep += "/x";
  EXPECT_EQ(fixture.get(deep).status, 404);
}

TEST(StaticFilesAttack, WhatMayNotBeReadIsForbidden) {
  if (::geteuid() == 0 && ::seteuid(65534) != 0) GTEST_SKIP() << "cannot become another user";
  const bool was_root = ::getuid() == 0;
  {
    Attacked fixture;
    fixture.tree.write("closed", "x");
    std::filesystem::permissions(fixture.tree.root() / "closed", std::filesystem::perms::none);
    EXPECT_EQ(fixture.get("/closed").status, 403);
  }
  if (was_root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
}

TEST(StaticFilesAttack, TheListingShowsNothingOutside) {
  Attacked fixture({.list_directories = true});
  std::filesystem::create_directory_symlink("..", fixture.tree.root() / "up");
  EXPECT_EQ(fixture.get("/up/").status, 404);
  EXPECT_EQ(fixture.get("/../").status, 400);
}

}  // namespace
}  // namespace leat::http
