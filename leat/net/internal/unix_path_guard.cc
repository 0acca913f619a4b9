#include "leat/net/internal/unix_path_guard.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include <fmt/format.h>

#include "leat/net/internal/socket_ops.h"

namespace leat::internal {

namespace {

bool is_path(const InetAddress& address) {
  return !address.is_ip() && !address.is_abstract() && !address.path().empty();
}

}  // namespace

Result<void> UnixPathGuard::lock(const InetAddress& address) {
  if (!is_path(address)) return {};
  const std::filesystem::path path(address.path());
  const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
  struct stat status;
  // bind() will say what is wrong with the folder.
  if (::stat(folder.c_str(), &status) != 0) return {};
  // Short enough for an abstract name; that two long file names share one does no harm.
  const Result<InetAddress> name =
      InetAddress::unix_abstract(fmt::format("leat-bind/{:x}/{:x}/{}", status.st_dev, status.st_ino,
                                             path.filename().string().substr(0, 60)));
  if (!name) return name.error();
  Result<UniqueFd> socket = open_stream_socket(AF_UNIX);
  if (!socket) return socket.error();
  if (::bind(socket->get(), name->get(), name->size()) != 0) {
    return Error::from_errno(
        errno, fmt::format("bind {} (another program is binding it)", address.to_string()));
  }
  name_ = std::move(*socket);
  return {};
}

bool UnixPathGuard::remove_stale(const InetAddress& address) {
  if (!is_path(address)) return false;
  const std::string path(address.path());
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0) return errno == ENOENT;
  if (!S_ISSOCK(status.st_mode)) return false;
  const Result<UniqueFd> probe = open_stream_socket(AF_UNIX);
  if (!probe) return false;
  // A full accept queue gives EAGAIN, another kind of socket EPROTOTYPE: these are in use.
  if (::connect(probe->get(), address.get(), address.size()) == 0) return false;
  if (errno != ECONNREFUSED) return false;
  return ::unlink(path.c_str()) == 0 || errno == ENOENT;
}

}  // namespace leat::internal
