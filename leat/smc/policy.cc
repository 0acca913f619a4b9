#include "leat/smc/internal/policy.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <vector>

#include "leat/base/unique_fd.h"

namespace leat::smc::internal {

namespace {

constexpr std::size_t kLongestFile = 1U << 20U;

std::optional<uid_t> user_of(std::string_view word) {
  uid_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error == std::errc() && end == word.data() + word.size()) return number;
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> storage{};
  const std::string name(word);
  if (::getpwnam_r(name.c_str(), &entry, storage.data(), storage.size(), &found) != 0 ||
      found == nullptr) {
    return std::nullopt;
  }
  return entry.pw_uid;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  line = line.substr(0, line.find('#'));
  for (;;) {
    const std::size_t start = line.find_first_not_of(" \t\r");
    if (start == std::string_view::npos) return words;
    line.remove_prefix(start);
    const std::size_t length = std::min(line.find_first_of(" \t\r"), line.size());
    words.push_back(line.substr(0, length));
    line.remove_prefix(length);
  }
}

Error bad_line(std::size_t number, std::string_view what) {
  std::string text = "line ";
  text += std::to_string(number);
  text += ": ";
  text += what;
  return Error::invalid_argument(std::move(text));
}

}  // namespace

Result<Policy> Policy::parse(std::string_view text) {
  Policy policy;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::vector<std::string_view> words = words_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty()) continue;
    if (words.size() != 3 || words[0] != "allow") {
      return bad_line(number, "not 'allow USER USER'");
    }
    const std::optional<uid_t> one = user_of(words[1]);
    const std::optional<uid_t> other = user_of(words[2]);
    if (!one || !other) return bad_line(number, "names an unknown user");
    policy.pairs_.emplace(std::min(*one, *other), std::max(*one, *other));
  }
  return policy;
}

Result<Policy> Policy::load(const std::string& path, uid_t owner) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    if (errno == ENOENT) return Policy();
    return Error::from_errno(errno, path);
  }
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return Error::from_errno(errno, path);
  const bool others_write = (status.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  if (!S_ISREG(status.st_mode) || others_write || (status.st_uid != owner && status.st_uid != 0)) {
    return Error::from_errno(EACCES, path + ", which others may write");
  }
  std::string text(kLongestFile, '\0');
  const ssize_t got = ::read(fd.get(), text.data(), text.size());
  if (got < 0) return Error::from_errno(errno, path);
  text.resize(static_cast<std::size_t>(got));
  Result<Policy> policy = parse(text);
  if (!policy) return Error(policy.error().code(), path + ", " + policy.error().context());
  return policy;
}

bool Policy::allows(uid_t one, uid_t other) const {
  return one == other || pairs_.contains({std::min(one, other), std::max(one, other)});
}

bool Policy::knows(uid_t user) const {
  return std::any_of(pairs_.begin(), pairs_.end(), [user](const std::pair<uid_t, uid_t>& pair) {
    return pair.first == user || pair.second == user;
  });
}

}  // namespace leat::smc::internal
