// Internal: a directory with files, removed with all that is in it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace leat::http::testing {

class TemporaryTree {
 public:
  TemporaryTree() {
    std::string name = "/tmp/leat-http-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
    std::filesystem::create_directory(root());
  }
  ~TemporaryTree() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryTree(const TemporaryTree&) = delete;
  TemporaryTree& operator=(const TemporaryTree&) = delete;

  /// What is served; beside it lies what must not be.
  [[nodiscard]] std::filesystem::path root() const { return path_ / "root"; }
  [[nodiscard]] const std::filesystem::path& outside() const { return path_; }

  void write(std::string_view name, std::string_view content) const {
    const std::filesystem::path file = root() / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace leat::http::testing
