// curl as the client.
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "support/files_fixture.h"

namespace leat::http {
namespace {

using testing::FilesFixture;
using testing::HttpFixture;

/// What curl printed, with its exit status behind it.
std::string curl(const std::string& arguments) {
  const std::string command = "curl --silent --max-time 20 " + arguments + " 2>&1; echo \"[$?]\"";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  std::string out;
  std::array<char, 4096> bytes;
  for (std::size_t count = 1; count > 0;) {
    count = std::fread(bytes.data(), 1, bytes.size(), pipe.get());
    out.append(bytes.data(), count);
  }
  return out;
}

class HttpCurl : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::system("curl --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "there is no curl";
  }
  static std::string url(const FilesFixture& fixture, const std::string& path) {
    return "http://" + fixture.server->address().to_string() + path;
  }
  static std::string url(const HttpFixture& fixture, const std::string& path) {
    return "http://" + fixture.address().to_string() + path;
  }
};

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(HttpCurl, DownloadsAFile) {
  FilesFixture fixture;
  const std::string content(2'000'000, 'c');
  fixture.tree.write("big.bin", content);
  const std::string to = fixture.tree.outside() / "download";
  EXPECT_EQ(curl("-o " + to + " " + url(fixture, "/big.bin")), "[0]\n");
  EXPECT_EQ(read_file(to), content);
}

TEST_F(HttpCurl, ResumesADownload) {
  FilesFixture fixture;
  fixture.tree.write("a.txt", "0123456789");
  const std::filesystem::path to = fixture.tree.outside() / "download";
  std::ofstream(to) << "0123";
  EXPECT_EQ(curl("-C - -o " + to.string() + " " + url(fixture, "/a.txt")), "[0]\n");
  EXPECT_EQ(read_file(to), "0123456789");
}

TEST_F(HttpCurl, FollowsTheRedirectToADirectory) {
  FilesFixture fixture;
  fixture.tree.write("dir/index.html", "index");
  EXPECT_EQ(curl("-L " + url(fixture, "/dir")), "index[0]\n");
}

TEST_F(HttpCurl, DoesNotDownloadAgain) {
  FilesFixture fixture;
  fixture.tree.write("a.txt", "text");
  const std::string tag = fixture.tree.outside() / "etag";
  EXPECT_EQ(curl("--etag-save " + tag + " " + url(fixture, "/a.txt")), "text[0]\n");
  EXPECT_EQ(curl("--etag-compare " + tag + " -w '%{http_code}' " + url(fixture, "/a.txt")),
            "304[0]\n");
}

TEST_F(HttpCurl, UploadsWithAndWithoutALength) {
  HttpFixture fixture;
  fixture.server().handle([](const HttpRequest& request, HttpResponder responder) {
    responder.respond(HttpResponse::text(std::to_string(request.body().size())));
  });
  fixture.start();
  const testing::TemporaryTree tree;
  tree.write("up", std::string(900'000, 'u'));
  const std::string file = tree.root() / "up";
  EXPECT_EQ(curl("-T " + file + " " + url(fixture, "/x")), "900000[0]\n");
  EXPECT_EQ(curl("-T - " + url(fixture, "/x") + " < " + file), "900000[0]\n");
  EXPECT_EQ(curl("-H 'Expect: 100-continue' --data-binary @" + file + " " + url(fixture, "/x")),
            "900000[0]\n");
}

TEST_F(HttpCurl, ReusesItsConnectionAndSpeaksHttp10) {
  FilesFixture fixture;
  fixture.tree.write("a.txt", "a");
  const std::string one = url(fixture, "/a.txt");
  EXPECT_EQ(curl(one + " " + one + " -w ' %{num_connects} '"), "a 1 a 0 [0]\n");
  EXPECT_EQ(curl("--http1.0 " + one), "a[0]\n");
  EXPECT_EQ(curl("--http2 " + one), "a[0]\n") << "it offers h2c, which is ignored";
}

TEST_F(HttpCurl, IsToldAboutTraversal) {
  FilesFixture fixture;
  EXPECT_EQ(
      curl("--path-as-is -o /dev/null -w '%{http_code}' " + url(fixture, "/../../etc/passwd")),
      "400[0]\n");
}

}  // namespace
}  // namespace leat::http
