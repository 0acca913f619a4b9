#include "leat/net/internal/name_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "leat/base/logging.h"
#include "leat/base/unique_fd.h"

namespace leat::internal {

namespace {

constexpr std::size_t kLongestHostsFile = 16 * 1024 * 1024;

std::string read_file(const std::string& path) {
  // Not to wait for the other end of a pipe that somebody put there.
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  std::string text;
  char bytes[16 * 1024];
  for (;;) {
    const ssize_t count = ::read(file.get(), bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    if (text.size() + static_cast<std::size_t>(count) > kLongestHostsFile) {
      LEAT_LOG_WARN("{} is longer than {} bytes and counts as empty", path, kLongestHostsFile);
      return {};
    }
    text.append(bytes, static_cast<std::size_t>(count));
  }
}

}  // namespace

FileStamp FileStamp::of(const std::string& path) {
  struct stat status{};
  if (path.empty() || ::stat(path.c_str(), &status) != 0) return {};
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = status.st_size,
          .modified_ns = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}

NameFiles read_name_files(const ResolverOptions& options, const std::optional<NameStamps>& before) {
  NameFiles files;
  // Before the contents: a change in between shows next time.
  files.hosts_stamp = FileStamp::of(options.hosts_file);
  files.resolv_stamp = FileStamp::of(options.resolv_conf);
  if (!before || files.hosts_stamp != before->hosts) {
    files.hosts = std::make_shared<HostsFile>(read_file(options.hosts_file));
  }
  if (!before || files.resolv_stamp != before->resolv) {
    Result<std::unique_ptr<DnsChannel>> dns = open_dns_channel(options);
    if (dns) {
      files.dns = std::move(*dns);
    } else {
      files.dns_error = std::move(dns).error();
    }
  }
  return files;
}

}  // namespace leat::internal
