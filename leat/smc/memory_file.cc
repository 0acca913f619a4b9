#include "leat/smc/internal/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace leat::smc::internal {

Result<MemoryFile> MemoryFile::create(const char* name, std::uint64_t size) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL));
  // Before Linux 6.3 the flag is unknown.
  if (!fd && errno == EINVAL) fd = UniqueFd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return Error::from_errno(errno, "memfd_create");
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    return Error::from_errno(errno, "ftruncate of a memory file");
  }
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    return Error::from_errno(errno, "seal a memory file");
  }
  return MemoryFile(std::move(fd));
}

MemoryFile::Holders MemoryFile::probe() const {
  if (::fcntl(fd_.get(), F_ADD_SEALS, F_SEAL_WRITE) == 0) return Holders::kNone;
  return errno == EPERM ? Holders::kUnknown : Holders::kSome;
}

bool MemoryFile::read(void* to, std::size_t size, std::uint64_t offset) const {
  return ::pread(fd_.get(), to, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
}

bool MemoryFile::write(const void* from, std::size_t size, std::uint64_t offset) const {
  return ::pwrite(fd_.get(), from, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
}

std::uint64_t MemoryFile::next_data(std::uint64_t offset, std::uint64_t end) const {
  const off_t found = ::lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
  return found < 0 || static_cast<std::uint64_t>(found) > end ? end
                                                              : static_cast<std::uint64_t>(found);
}

}  // namespace leat::smc::internal
