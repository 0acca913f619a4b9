// Internal: the files that a Resolver goes by, read where that may block.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "leat/base/result.h"
#include "leat/net/internal/dns_channel.h"
#include "leat/net/internal/hosts_file.h"
#include "leat/net/resolver_options.h"

namespace leat::internal {

/// Enough to notice that a file was written or replaced.
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = -1;  ///< -1: there is no such file.
  std::int64_t modified_ns = 0;

  [[nodiscard]] static FileStamp of(const std::string& path);
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

/// What was read; the parts that did not change are missing.
struct NameFiles {
  std::shared_ptr<const HostsFile> hosts;
  std::unique_ptr<DnsChannel> dns;
  std::optional<Error> dns_error;
  FileStamp hosts_stamp;
  FileStamp resolv_stamp;
};

/// What a NameFiles had before; none at first.
struct NameStamps {
  FileStamp hosts;
  FileStamp resolv;
};

/// Blocks as files do. A hosts file that is missing, no file, or longer than 16 MiB counts as
/// empty. Throws std::bad_alloc without memory.
[[nodiscard]] NameFiles read_name_files(const ResolverOptions& options,
                                        const std::optional<NameStamps>& before);

}  // namespace leat::internal
