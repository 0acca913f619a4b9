#include "apps/preload/image.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/preload/raw.h"

namespace leat::preload {
namespace {

using raw::raw_argument;
using raw::raw_syscall;

constexpr int kScripts = 4;  ///< Scripts that are read by scripts.

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#else
constexpr Elf64_Half kMachine = EM_NONE;
#endif

bool environment_has_us(char* const environment[]) {
  constexpr char kPreload[] = "LD_PRELOAD=";
  bool preloads = false;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    if (strcmp(*environment, "LEAT=off") == 0) return false;
    if (strncmp(*environment, kPreload, sizeof kPreload - 1) == 0) {
      preloads = strstr(*environment, "libleat_preload") != nullptr;
    }
  }
  return preloads;
}

/// AT_SECURE: the dynamic linker then leaves LD_PRELOAD out.
bool is_privileged(long fd) {
  struct stat status{};
  if (raw_syscall(SYS_fstat, fd, raw_argument(&status)) != 0) return true;
  if ((status.st_mode & (S_ISUID | S_ISGID)) != 0) return true;
  return raw_syscall(SYS_fgetxattr, fd, raw_argument("security.capability"), 0, 0) > 0;
}

bool has_interpreter(long fd, const Elf64_Ehdr& header) {
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return false;
  for (unsigned i = 0; i < header.e_phnum && i < 64; ++i) {
    Elf64_Phdr part;
    const auto offset = static_cast<long>(header.e_phoff + i * sizeof part);
    if (raw_syscall(SYS_pread64, fd, raw_argument(&part), sizeof part, offset) != sizeof part) {
      return false;
    }
    if (part.p_type == PT_INTERP) return true;
  }
  return false;
}

/// Cuts "#! interpreter argument" down to the interpreter.
const char* interpreter(char* line) {
  char* start = line + 2;
  while (*start == ' ' || *start == '\t') ++start;
  char* end = start;
  while (*end != 0 && *end != ' ' && *end != '\t' && *end != '\n') ++end;
  *end = 0;
  return start;
}

bool file_carries_us(int directory, const char* path, int scripts) {
  const long fd = raw_syscall(SYS_openat, directory, raw_argument(path), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  union {
    char text[256];
    Elf64_Ehdr elf;
  } head{};
  const long got = raw_syscall(SYS_pread64, fd, raw_argument(head.text), sizeof head.text - 1, 0);
  const bool is_script = got > 2 && head.text[0] == '#' && head.text[1] == '!';
  bool carries = false;
  if (!is_script && got >= static_cast<long>(sizeof head.elf) &&
      memcmp(head.elf.e_ident, ELFMAG, SELFMAG) == 0) {
    carries = head.elf.e_ident[EI_CLASS] == ELFCLASS64 && head.elf.e_machine == kMachine &&
              !is_privileged(fd) && has_interpreter(fd, head.elf);
  }
  raw_syscall(SYS_close, fd);
  if (!is_script || scripts == 0) return carries;
  return file_carries_us(AT_FDCWD, interpreter(head.text), scripts - 1);
}

}  // namespace

bool image_carries_us(int directory, const char* path, char* const environment[]) {
  return path != nullptr && environment_has_us(environment) &&
         file_carries_us(directory, path, kScripts);
}

const char* find_in_path(const char* name, char* room, unsigned long size) {
  if (name == nullptr || *name == 0) return nullptr;
  if (strchr(name, '/') != nullptr) return name;
  const char* path = getenv("PATH");
  if (path == nullptr) path = "/bin:/usr/bin";
  const unsigned long length = strlen(name);
  while (true) {
    const char* const end = strchrnul(path, ':');
    const auto part = static_cast<unsigned long>(end - path);
    if (part + length + 2 <= size) {
      memcpy(room, path, part);
      room[part] = '/';
      memcpy(room + (part == 0 ? 0 : part + 1), name, length + 1);
      if (raw_syscall(SYS_faccessat, AT_FDCWD, raw_argument(room), X_OK) == 0) return room;
    }
    if (*end == 0) return nullptr;
    path = end + 1;
  }
}

}  // namespace leat::preload
