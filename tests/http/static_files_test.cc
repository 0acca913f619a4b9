// Files over HTTP: what is sent, conditions, ranges.
#include "leat/http/static_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "support/files_fixture.h"

namespace leat::http {
namespace {

using namespace std::chrono_literals;
using testing::FilesFixture;
using testing::HttpClient;
using testing::Reply;

std::string pattern(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return out;
}

TEST(StaticFiles, SendsFilesOfAllSizes) {
  FilesFixture fixture;
  for (const std::size_t size : {0u, 1u, 16384u, 16385u, 3'000'000u}) {
    const std::string content = pattern(size);
    fixture.tree.write("file.txt", content);
    HttpClient client = fixture.client();
    const Reply reply = client.get("/file.txt");
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, content);
    EXPECT_EQ(reply.header("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_EQ(reply.header("Accept-Ranges"), "bytes");
    EXPECT_EQ(client.get("/file.txt").body, content) << "the connection goes on";
  }
}

TEST(StaticFiles, PipelinedFilesComeInOrder) {
  FilesFixture fixture;
  const std::string large = pattern(200'000);
  fixture.tree.write("large.bin", large);
  fixture.tree.write("small.txt", "small");
  HttpClient client = fixture.client();
  std::string all;
  for (int i = 0; i < 100; ++i)
    all += testing::get_request(i % 2 == 0 ? "/large.bin" : "/small.txt");
  client.send(all);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.read_reply().body, i % 2 == 0 ? large : "small");
}

TEST(StaticFiles, HeadIsLikeGetWithoutContent) {
  FilesFixture fixture;
  fixture.tree.write("a.html", pattern(50'000));
  HttpClient client = fixture.client();
  client.send("HEAD /a.html HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\n\r\n");
  const Reply head = client.read_reply(true);
  const Reply get = client.get("/a.html");
  EXPECT_EQ(head.status, 200);
  for (const char* name : {"Content-Length", "Content-Type", "ETag", "Last-Modified"}) {
    EXPECT_EQ(head.header(name), get.header(name)) << name;
  }
}

TEST(StaticFiles, OtherMethodsAreNotAllowed) {
  FilesFixture fixture;
  fixture.tree.write("a", "x");
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"}) {
    HttpClient client = fixture.client();
    client.send(std::string(method) + " /a HTTP/1.1\r\nHost: a\r\n\r\n");
    const Reply reply = client.read_reply();
    EXPECT_EQ(reply.status, 405) << method;
    EXPECT_EQ(reply.header("Allow"), "GET, HEAD");
  }
}

TEST(StaticFiles, DirectoriesHaveAnIndex) {
  FilesFixture fixture;
  fixture.tree.write("index.html", "root");
  fixture.tree.write("sub dir/index.html", "sub");
  fixture.tree.write("empty/x", "");
  EXPECT_EQ(fixture.get("/").body, "root");
  EXPECT_EQ(fixture.get("/").header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(fixture.get("/sub%20dir/").body, "sub");
  const Reply redirect = fixture.get("/sub%20dir?x=1");
  EXPECT_EQ(redirect.status, 308);
  EXPECT_EQ(redirect.header("Location"), "/sub%20dir/");
  // What the client sent would have named a host.
  EXPECT_EQ(fixture.get("//sub%20dir").header("Location"), "/sub%20dir/");
  EXPECT_EQ(fixture.get("/empty/").status, 404);
  EXPECT_EQ(fixture.get("/index.html/").status, 404);
}

TEST(StaticFiles, ListsDirectoriesIfWanted) {
  FilesFixture fixture({.list_directories = true});
  fixture.tree.write("<b>&.txt", "12345");
  fixture.tree.write("x/deep", "");
  fixture.tree.write(".hidden", "");
  fixture.tree.write("a:b", "");
  const Reply reply = fixture.get("/");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_NE(reply.body.find("<a href=\"./x/\">x/</a>"), std::string::npos) << reply.body;
  EXPECT_NE(reply.body.find("<a href=\"./%3Cb%3E%26.txt\">&lt;b&gt;&amp;.txt</a></td><td>5</td>"),
            std::string::npos)
      << reply.body;
  EXPECT_NE(reply.body.find("href=\"./a%3Ab\""), std::string::npos);
  EXPECT_EQ(reply.body.find("hidden"), std::string::npos);
  EXPECT_EQ(reply.body.find("../"), std::string::npos);
  EXPECT_LT(reply.body.find("./x/"), reply.body.find("./%3C")) << "directories first";
  const Reply below = fixture.get("/x/");
  EXPECT_NE(below.body.find("href=\"../\""), std::string::npos);
  EXPECT_NE(below.body.find("<title>/x/</title>"), std::string::npos);
}

TEST(StaticFiles, HiddenFilesAreShownOnlyIfWanted) {
  FilesFixture hides;
  hides.tree.write(".git/config", "secret");
  EXPECT_EQ(hides.get("/.git/config").status, 404);
  EXPECT_EQ(hides.get("/%2egit/config").status, 404);
  FilesFixture shows({.serve_hidden = true});
  shows.tree.write(".well-known/x", "open");
  EXPECT_EQ(shows.get("/.well-known/x").body, "open");
}

TEST(StaticFiles, MayBeMountedBelowAPath) {
  FilesFixture fixture({.mount = "/static/"});
  fixture.tree.write("a/b", "x");
  EXPECT_EQ(fixture.get("/static/a/b").body, "x");
  EXPECT_EQ(fixture.get("/a/b").status, 404);
  EXPECT_EQ(fixture.get("/static/a").header("Location"), "/static/a/");
  EXPECT_EQ(fixture.get("/static/../a/b").status, 400);
}

TEST(StaticFiles, CacheControl) {
  FilesFixture fixture({.cache_control = "max-age=60"});
  fixture.tree.write("a", "x");
  EXPECT_EQ(fixture.get("/a").header("Cache-Control"), "max-age=60");
}

TEST(StaticFiles, ConditionalRequests) {
  FilesFixture fixture;
  fixture.tree.write("a.txt", "content");
  const Reply first = fixture.get("/a.txt");
  const std::string etag = first.header("ETag");
  const std::string modified = first.header("Last-Modified");
  ASSERT_TRUE(etag.starts_with('"') && etag.ends_with('"')) << etag;
  struct Case {
    int status;
    std::string fields;
  };
  const std::string past = "Sun, 06 Nov 1994 08:49:37 GMT";
  const Case cases[] = {
      {304, "If-None-Match: " + etag + "\r\n"},
      {304, "If-None-Match: \"x\", W/" + etag + "\r\n"},
      {304, "If-None-Match: *\r\n"},
      {200, "If-None-Match: \"x\"\r\n"},
      {304, "If-Modified-Since: " + modified + "\r\n"},
      {200, "If-Modified-Since: " + past + "\r\n"},
      {200, "If-None-Match: \"x\"\r\nIf-Modified-Since: " + modified + "\r\n"},
      {200, "If-Match: " + etag + "\r\n"},
      {412, "If-Match: \"x\"\r\n"},
      {412, "If-Match: W/" + etag + "\r\n"},
      {412, "If-Unmodified-Since: " + past + "\r\n"},
      {200, "If-Unmodified-Since: " + modified + "\r\n"},
      {412, "If-Match: \"x\"\r\nIf-None-Match: " + etag + "\r\n"},
      {412, "If-Match: \"x\"\r\nRange: bytes=0-1\r\n"},
      {304, "If-None-Match: " + etag + "\r\nRange: bytes=0-1\r\n"},
      {206, "If-Range: " + etag + "\r\nRange: bytes=0-1\r\n"},
      {200, "If-Range: \"x\"\r\nRange: bytes=0-1\r\n"},
      {200, "If-Range: " + past + "\r\nRange: bytes=0-1\r\n"},
  };
  for (const Case& one : cases) {
    const Reply reply = fixture.get("/a.txt", one.fields);
    EXPECT_EQ(reply.status, one.status) << one.fields;
    EXPECT_EQ(reply.header("ETag"), etag);
    EXPECT_EQ(reply.header("Last-Modified"), modified);
    if (one.status == 200) {
      EXPECT_EQ(reply.body, "content");
    }
    if (one.status == 304) {
      EXPECT_EQ(reply.header("Content-Length"), "<none>");
    }
  }
}

TEST(StaticFiles, AnotherContentIsAnotherEtag) {
  FilesFixture fixture;
  fixture.tree.write("a", "one");
  const std::string etag = fixture.get("/a").header("ETag");
  fixture.tree.write("new", "two");
  std::filesystem::rename(fixture.tree.root() / "new", fixture.tree.root() / "a");
  const Reply reply = fixture.get("/a", "If-None-Match: " + etag + "\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_NE(reply.header("ETag"), etag);
}

TEST(StaticFiles, TimesInTheFutureAreNotSaid) {  // RFC 9110, 8.8.2.1
  FilesFixture fixture;
  fixture.tree.write("a", "x");
  std::filesystem::last_write_time(fixture.tree.root() / "a",
                                   std::filesystem::file_time_type::clock::now() + 24h);
  const Reply reply = fixture.get("/a");
  EXPECT_LE(Timestamp::parse_http_date(reply.header("Last-Modified")).value(), Timestamp::now());
}

TEST(StaticFiles, Ranges) {
  FilesFixture fixture;
  for (const std::size_t size : {1000u, 500'000u}) {
    const std::string content = pattern(size);
    fixture.tree.write("a.bin", content);
    const auto part = [&](std::string_view range) {
      return fixture.get("/a.bin", "Range: " + std::string(range) + "\r\n");
    };
    const std::string of = "/" + std::to_string(size);
    Reply reply = part("bytes=0-0");
    EXPECT_EQ(reply.status, 206);
    EXPECT_EQ(reply.body, content.substr(0, 1));
    EXPECT_EQ(reply.header("Content-Range"), "bytes 0-0" + of);
    EXPECT_EQ(reply.header("Content-Length"), "1");
    reply = part("bytes=100-");
    EXPECT_EQ(reply.body, content.substr(100));
    reply = part("bytes=-10");
    EXPECT_EQ(reply.body, content.substr(size - 10));
    reply = part("bytes=10-999999");
    EXPECT_EQ(reply.body, content.substr(10));
    reply = part("bytes=999999-");
    EXPECT_EQ(reply.status, 416);
    EXPECT_EQ(reply.header("Content-Range"), "bytes */" + std::to_string(size));
    for (const char* ignored : {"lines=0-1", "bytes=2-1", "bytes=x"}) {
      reply = part(ignored);
      EXPECT_EQ(reply.status, 200) << ignored;
      EXPECT_EQ(reply.body, content);
    }
  }
}

/// The parts of a multipart/byteranges body: "bytes 0-1/9=ab".
std::vector<std::string> parts_of(const Reply& reply) {
  static constexpr std::string_view kType = "multipart/byteranges; boundary=";
  const std::string type = reply.header("Content-Type");
  EXPECT_TRUE(type.starts_with(kType)) << type;
  const std::string line = "--" + type.substr(kType.size());
  std::vector<std::string> parts;
  std::size_t at = reply.body.find(line);
  EXPECT_EQ(at, 0u);
  while (reply.body.compare(at + line.size(), 2, "\r\n") == 0) {
    const std::size_t head_end = reply.body.find("\r\n\r\n", at);
    const std::size_t next = reply.body.find("\r\n" + line, head_end);
    if (next == std::string::npos) break;
    const std::string head = reply.body.substr(at, head_end - at);
    const std::size_t range = head.find("Content-Range: ");
    EXPECT_NE(head.find("Content-Type: application/octet-stream\r\n"), std::string::npos);
    parts.push_back(head.substr(range + 15) + "=" +
                    reply.body.substr(head_end + 4, next - head_end - 4));
    at = next + 2;
  }
  EXPECT_EQ(reply.body.substr(at), line + "--\r\n");
  return parts;
}

TEST(StaticFiles, SeveralRanges) {  // RFC 9110, 14.6
  FilesFixture fixture;
  for (const std::size_t size : {1000u, 500'000u}) {
    const std::string content = pattern(size);
    fixture.tree.write("a.bin", content);
    const std::string of = "/" + std::to_string(size);
    const Reply reply = fixture.get("/a.bin", "Range: bytes=500-509,0-4\r\n");
    EXPECT_EQ(reply.status, 206);
    EXPECT_EQ(parts_of(reply),
              (std::vector<std::string>{"bytes 500-509" + of + "=" + content.substr(500, 10),
                                        "bytes 0-4" + of + "=" + content.substr(0, 5)}));
    EXPECT_EQ(fixture.get("/a.bin", "Range: bytes=0-4,5-9\r\n").header("Content-Range"),
              "bytes 0-9" + of);
  }
  const std::string large = pattern(500'000);
  const Reply reply = fixture.get("/a.bin", "Range: bytes=0-99999,200000-299999\r\n");
  const auto parts = parts_of(reply);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[1], "bytes 200000-299999/500000=" + large.substr(200000, 100000));
}

TEST(StaticFiles, TooManyRangesAreTheWholeFile) {
  FilesFixture fixture({.max_ranges = 3});
  fixture.tree.write("a", pattern(1000));
  EXPECT_EQ(fixture.get("/a", "Range: bytes=0-0,200-200,400-400\r\n").status, 206);
  EXPECT_EQ(fixture.get("/a", "Range: bytes=0-0,200-200,400-400,600-600\r\n").status, 200);
}

TEST(StaticFiles, FilesThatBecomeShorterWhileTheyAreSentCutTheConnection) {
  TcpServerOptions tcp;
  tcp.connection.kernel_send_buffer = 16 * 1024;
  FilesFixture fixture({}, tcp);
  fixture.tree.write("a.bin", std::string(10'000'000, 'x'));
  HttpClient client = fixture.client(4096);
  client.send(testing::get_request("/a.bin"));
  ASSERT_EQ(client.read(12), "HTTP/1.1 200");
  ASSERT_EQ(::truncate((fixture.tree.root() / "a.bin").c_str(), 1000), 0);
  EXPECT_LT(client.read_to_end().size(), 10'000'000u);
  EXPECT_TRUE(testing::wait_until(
      [&] { return fixture.server->closed(CloseReason::kFileTruncated) == 1; }));
}

TEST(StaticFiles, FilesCutToNothingBeforeTheyAreRead) {
  FilesFixture fixture;
  fixture.tree.write("a", "");
  EXPECT_EQ(fixture.get("/a").status, 200);
  EXPECT_EQ(fixture.get("/a", "Range: bytes=0-\r\n").status, 416);
}

TEST(StaticFiles, NeedsADirectory) {
  BlockingPool pool;
  testing::TemporaryTree tree;
  tree.write("file", "x");
  EXPECT_EQ(StaticFiles::create(tree.root() / "none", pool).error().number(), ENOENT);
  EXPECT_EQ(StaticFiles::create(tree.root() / "file", pool).error().number(), ENOTDIR);
}

}  // namespace
}  // namespace leat::http
