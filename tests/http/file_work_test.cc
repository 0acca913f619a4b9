// The parts of file serving that need no server: loading, what the pool refuses.
#include <fcntl.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/http/internal/file_load.h"
#include "leat/http/internal/file_root.h"
#include "leat/http/internal/kept_fields.h"

#include "support/header_fields.h"
#include "support/temporary_tree.h"

namespace leat::http::internal {
namespace {

using ::leat::http::testing::HeaderFields;
using ::leat::http::testing::TemporaryTree;

OpenedFile open(const TemporaryTree& tree, const std::string& name) {
  const FileRoot root = FileRoot::open(tree.root()).value();
  return root.open_file(name, Waiting::kAllowed).value();
}

/// Drops the file from the page cache.
/// False if the file stays in memory.
bool make_cold(const OpenedFile& file) {
  EXPECT_EQ(::fsync(file.fd->get()), 0);
  // Advice only: pages that another CPU has just had in hand are left.
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(::posix_fadvise(file.fd->get(), 0, 0, POSIX_FADV_DONTNEED), 0);
    std::vector<FilePart> first = {{"", file.fd, 0, 10}};
    if (!load_parts(first, 100, Waiting::kNever)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TEST(FileLoad, SmallRangesBecomeText) {
  TemporaryTree tree;
  tree.write("a", "0123456789");
  const OpenedFile file = open(tree, "a");
  std::vector<FilePart> parts = {{"<", file.fd, 2, 3}, {"|", file.fd, 8, 2}, {">", nullptr, 0, 0}};
  ASSERT_TRUE(load_parts(parts, 100, Waiting::kAllowed));
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].text, "<234|89>");
  EXPECT_EQ(parts[0].length, 0u);
}

TEST(FileLoad, LargeRangesStayInTheFile) {
  TemporaryTree tree;
  tree.write("a", std::string(3'000'000, 'x'));
  const OpenedFile file = open(tree, "a");
  std::vector<FilePart> parts = {{"head", file.fd, 0, 3'000'000}};
  ASSERT_TRUE(load_parts(parts, 100, Waiting::kAllowed));
  EXPECT_EQ(parts[0].length, 3'000'000u);
  EXPECT_TRUE(load_parts(parts, 100, Waiting::kNever)) << "it has just been read";
}

TEST(FileLoad, AFileThatBecameShorterIsLeftToTheConnection) {
  TemporaryTree tree;
  tree.write("a", "0123456789");
  const OpenedFile file = open(tree, "a");
  std::vector<FilePart> parts = {{"", file.fd, 0, 20}};
  EXPECT_FALSE(load_parts(parts, 100, Waiting::kNever));
  EXPECT_TRUE(load_parts(parts, 100, Waiting::kAllowed));
  EXPECT_EQ(parts[0].length, 20u);
}

TEST(FileLoad, WithoutFilesThereIsNothingToDo) {
  std::vector<FilePart> parts = {{"text", nullptr, 0, 0}};
  EXPECT_TRUE(load_parts(parts, 0, Waiting::kNever));
  EXPECT_EQ(parts[0].text, "text");
}

TEST(FileLoad, ColdFilesAreNotWaitedFor) {
  TemporaryTree tree;
  tree.write("a", std::string(3'000'000, 'x'));
  const OpenedFile file = open(tree, "a");
  // Having looked in vain, the kernel may fetch the file by itself before the next look.
  bool was_cold = false;
  for (int i = 0; i < 20 && !was_cold; ++i) {
    if (!make_cold(file)) GTEST_SKIP() << "this file system keeps its files in memory";
    std::vector<FilePart> small = {{"", file.fd, 0, 10}};
    was_cold = !load_parts(small, 100, Waiting::kNever);
    EXPECT_EQ(small[0].length, was_cold ? 10u : 0u);
    std::vector<FilePart> large = {{"", file.fd, 0, 3'000'000}};
    was_cold = was_cold && !load_parts(large, 100, Waiting::kNever);
  }
  EXPECT_TRUE(was_cold);
  std::vector<FilePart> large = {{"", file.fd, 0, 3'000'000}};
  EXPECT_TRUE(load_parts(large, 100, Waiting::kAllowed));
  EXPECT_TRUE(load_parts(large, 100, Waiting::kNever));
}

TEST(FileRoot, StaysInside) {
  TemporaryTree tree;
  tree.write("a/b", "x");
  const FileRoot root = FileRoot::open(tree.root()).value();
  EXPECT_TRUE(root.open_file("a/b", Waiting::kAllowed)->is_regular());
  EXPECT_TRUE(root.open_file(".", Waiting::kAllowed)->is_directory());
  EXPECT_TRUE(root.open_file("a/../a/b", Waiting::kAllowed));
  EXPECT_EQ(root.open_file("..", Waiting::kAllowed).error().number(), EXDEV);
  EXPECT_EQ(root.open_file("/etc/passwd", Waiting::kAllowed).error().number(), EXDEV);
  EXPECT_EQ(root.open_file("none", Waiting::kAllowed).error().number(), ENOENT);
}

TEST(KeptFields, KeepsConditionsAndRangeOnly) {
  const HeaderFields fields{{"Host", "a"}, {"Range", "bytes=0-1"}, {"if-match", "\"x\""},
                            {"I", "b"},    {"If-Range", ""},       {"Ranges", "c"}};
  const KeptFields kept(fields.list());
  EXPECT_EQ(kept.list().size(), 3u);
  EXPECT_EQ(kept.list().find("Range"), "bytes=0-1");
  EXPECT_EQ(kept.list().find("If-Match"), "\"x\"");
  EXPECT_EQ(kept.list().find("If-Range"), "");
}

}  // namespace
}  // namespace leat::http::internal
