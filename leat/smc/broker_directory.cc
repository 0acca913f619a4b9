#include "leat/smc/broker_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "leat/smc/internal/ask_broker.h"
#include "leat/smc/internal/policy.h"

namespace leat::smc {

BrokerDirectory BrokerDirectory::standard() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment.
  const char* const named = std::getenv("LEAT_DIR");
  if (named != nullptr && *named != '\0') return {named, BrokerClient::Trust::kPath};
  return {"/tmp/leat-" + std::to_string(::geteuid()), BrokerClient::Trust::kOwner};
}

Result<void> BrokerDirectory::prepare() const {
  if (socket().size() > 107) return Error::from_errno(ENAMETOOLONG, path);
  if (::mkdir(path.c_str(), 0711) == 0) {
    // The umask may have taken away what other containers' users need.
    if (::chmod(path.c_str(), 0711) != 0) return Error::from_errno(errno, "chmod " + path);
  } else if (errno != EEXIST) {
    return Error::from_errno(errno, "mkdir " + path);
  }
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return Error::from_errno(errno, path);
  if (!S_ISDIR(status.st_mode)) return Error::from_errno(ENOTDIR, path);
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error::from_errno(EACCES, path + ", which others may write");
  }
  if (trust == BrokerClient::Trust::kOwner && status.st_uid != ::geteuid()) {
    return Error::from_errno(EACCES,
                             path + ", which belongs to user " + std::to_string(status.st_uid));
  }
  return {};
}

bool broker_answers(const BrokerDirectory& directory) {
  const std::string path = directory.socket();
  if (path.size() > 107) return false;
  internal::Request request;
  request.ask = internal::Ask::kPing;
  return internal::ask_broker(path.c_str(), directory.trust, request).kind !=
         Answer::Kind::kNoBroker;
}

Result<bool> policy_allows(const BrokerDirectory& directory, uid_t one, uid_t other) {
  if (one == other) return true;
  struct stat status{};
  if (::stat(directory.path.c_str(), &status) != 0) {
    return Error::from_errno(errno, directory.path);
  }
  std::string path = directory.path + "/policy";
  if (::access(path.c_str(), F_OK) != 0) path = "/etc/leat/policy";
  const Result<internal::Policy> policy = internal::Policy::load(path, status.st_uid);
  if (!policy) return policy.error();
  return policy->allows(one, other);
}

}  // namespace leat::smc
